"""Export a system: fold, write, compare with torch on rendered pictures, and only then keep it.

Everything is written into a folder beside the wanted one and moved into its place at the end: a
system that disagrees leaves nothing behind.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from mmktn.apis.inferencer import DensePoseInferencer
from mmktn.apis.pose_estimator import PoseEstimator
from mmktn.apis.topdown_inferencer import TopdownDensePoseInferencer
from mmktn.export.formats import SUFFIX, Arrays, open_network, run_torch, write_network
from mmktn.export.networks import CutSystem, Network, cut
from mmktn.runtime import FoundPeople, Manifest, open_exported
from mmktn.runtime.manifest import MANIFEST, file_digest
from mmktn.runtime.pictures import batch_of, crop, crop_place, normalise, rescale
from mmktn.runtime.roi_align import pool_boxes
from mmktn.synthetic import GeneratorOptions, SceneOptions, make_sample
from mmktn.utils.output_files import claim_folder, named_errors, write_json
from mmktn.utils.user_error import UserError

# Largest difference of a network's output, in shares of that output's largest value.
NETWORK_LIMIT = {"float": 1e-4, "half": 5e-2}
# Least share of a body's pixels whose chart is the same as in torch.
LABEL_LIMIT = {"float": 0.999, "half": 0.99, "int8": 0.95}
UV_LIMIT = {"float": 1e-3, "half": 2e-2}
KEYPOINT_LIMIT = {"float": 0.05, "half": 1.0}
BOX_LIMIT = {"float": 1e-2}
CALIBRATION_PICTURES = 24
_NOT_KEPT = "the export disagrees with torch and was not kept"


@dataclass
class ExportReport:
    """What was compared.

    Attributes:
        folder: The exported folder.
        lines: What was compared and by how much it differs, one line each.
        figures: The same as numbers.
    """

    folder: Path
    lines: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, value: float, text: str, limit: float | None, *, least: bool) -> None:
        """Put a figure down.

        Raises:
            UserError: It is beyond its limit.
        """
        self.figures[name] = value
        self.lines.append(f"{name}: {text}")
        if limit is not None and not (value >= limit if least else value <= limit):
            wanted = f"least {limit:g} (--least-agreement)" if least else f"most {limit:g}"
            raise UserError(f"{_NOT_KEPT}: {name}: {text}; expected at {wanted}")


@dataclass(frozen=True)
class _Picture:
    """A rendered picture (H, W, 3) BGR and the boxes of its people (N, 4)."""

    image: np.ndarray
    boxes: np.ndarray


def export_system(
    model: nn.Module,
    folder: str | Path,
    *,
    kind: str = "onnx",
    precision: str = "float",
    name: str = "",
    estimator: PoseEstimator | None = None,
    trained: bool = True,
    overwrite: bool = False,
    least_agreement: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> ExportReport:
    """Export a model.

    Args:
        model: What `load_model` gave, on the CPU in float32. Its KTM is folded, in place.
        folder: Where the files go.
        kind: `onnx`, `openvino` or `torchscript`.
        precision: `float`, `half` or `int8`.
        name: What the manifest calls it.
        estimator: What holds the model, for systems of keypoints.
        trained: Whether the weights are; what random ones see in whole pictures is printed and not
            judged, since their maps have near ties and plateaus, where rounding decides. Their
            networks are judged as all are.
        overwrite: Whether an exported folder that exists may be replaced.
        least_agreement: Share of the people's pixels, 0 to 1, whose chart has to be that of torch;
            None: `LABEL_LIMIT` of the precision.
        say: Receives a line when something begins.

    Returns:
        What was compared.

    Raises:
        UserError: The system or an option of it cannot be exported, the folder exists, or what was
            written disagrees with torch; nothing is left then.
        ImportError: A package of the extra `export` is missing.
    """
    if kind == "torchscript" and precision != "float":
        raise UserError(f"precision {precision} is for onnx and openvino; torchscript takes float")
    agreement = LABEL_LIMIT[precision] if least_agreement is None else least_agreement
    if not 0 <= agreement <= 1:
        raise UserError(f"least_agreement is {agreement}; expected 0 to 1")
    target = claim_folder(folder)
    if target.exists() and any(target.iterdir()):
        if not (target / MANIFEST).is_file():
            raise UserError(f"{target} exists and is no exported system; give another folder")
        if not overwrite:
            raise UserError(f"{target} exists; give another folder or pass --overwrite")
    system = cut(model, None if estimator is None else estimator.meta["flip_indices"])
    target.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        job = _Job(model, estimator, system, place, kind, precision, name, trained, agreement, say)
        with named_errors(target):
            report = job.run(CALIBRATION_PICTURES if precision == "int8" else 0)
            _move(place, target)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    report.folder = target
    return report


@dataclass
class _Job:
    """One export; the attributes are the arguments of `export_system`."""

    model: Any
    estimator: PoseEstimator | None
    system: CutSystem
    place: Path
    kind: str
    precision: str
    name: str
    trained: bool
    agreement: float
    say: Callable[[str], None]

    def run(self, calibration_pictures: int) -> ExportReport:
        """Write and compare everything."""
        report = ExportReport(self.place)
        self.say("rendering pictures")
        pictures = _rendered(2 + calibration_pictures)
        checks = [pictures[:1], pictures[:2], [_turned(pictures[0])]]
        # Before folding: what is compared is the system as it was trained.
        people = self._found_by_torch(pictures[:2])
        inputs = [_network_inputs(self.system, batch) for batch in checks]
        wanted = [_run_all(self.system, batch) for batch in inputs]
        self.system.fold()
        parts: dict[str, dict[str, Any]] = {}
        for part, network in self.system.networks.items():
            self.say(f"writing {part}")
            path = self.place / f"{part}{SUFFIX[self.kind]}"
            # The box head is two small products, which quantisation would not speed up.
            own = "float" if self.precision == "int8" and part == "boxes" else self.precision
            write_network(
                network,
                tuple(torch.from_numpy(inputs[1][part][each]) for each in network.inputs),
                path,
                kind=self.kind,
                precision=own,
                calibration=(_network_inputs(self.system, [p])[part] for p in pictures[2:]),
                # A backbone in 8 bits costs most of what int8 costs (docs/export.md).
                spared="backbone" if part == "body" else "",
            )
            run = open_network(network, path, kind=self.kind)
            for given, expected in zip(inputs, wanted, strict=True):
                try:
                    found = run(given[part])
                except Exception as error:  # engines have errors of all kinds
                    raise UserError(
                        f"the export was not kept: {part} does not run on another batch or size "
                        f"than it was traced with: {error}"
                    ) from error
                _compare(report, part, found, expected[part], NETWORK_LIMIT.get(own))
            parts[part] = _entry(path, network)
        write_json(self.place / MANIFEST, self._manifest(parts).as_json(), indent=1)
        if self.kind != "torchscript":
            self.say("comparing whole pictures")
            self._compare_people(report, pictures[:2], people)
        return report

    def _compare_people(
        self,
        report: ExportReport,
        pictures: Sequence[_Picture],
        wanted: list[tuple[Any, Any]],
    ) -> None:
        """Compare what both ways find in whole pictures."""
        runtime = open_exported(self.place)
        given = [runtime.find_people([p.image], [p.boxes])[0] for p in pictures]
        pairs = list(zip(given, (each for _, each in wanted), strict=True))
        # Maps of random weights have near ties and plateaus, where rounding decides.
        precision = self.precision if self.trained else ""
        if given[0].densepose:
            _add_charts(report, pairs, self.agreement if self.trained else None, precision)
        if "keypoints" in given[0].further:
            key = "keypoints"
            far = _farthest(f.further[key] - w.further[key] for f, w in pairs)
            limit = KEYPOINT_LIMIT.get(precision)
            report.add(key, far, f"largest difference {far:.1e} px", limit, least=False)
        if wanted[0][0] is None or not self.trained:
            return
        found = [runtime.find_people([p.image])[0] for p in pictures]
        pairs = list(zip(found, (each for each, _ in wanted), strict=True))
        if any(len(f.scores) != len(w.scores) for f, w in pairs):
            far, text = float("inf"), "another number of people"
        else:
            far = _farthest(f.boxes_xyxy - w.boxes_xyxy for f, w in pairs)
            text = f"largest difference {far:.1e} px"
        report.add("boxes found", far, text, BOX_LIMIT.get(precision), least=False)

    def _manifest(self, parts: dict[str, dict[str, Any]]) -> Manifest:
        return Manifest(
            folder=self.place,
            kind=self.system.kind,
            engine=self.kind,
            precision=self.precision,
            name=self.name,
            surface=str(self.model.cfg.get("surface") or "human"),
            classes=tuple(self.model.dataset_meta.get("classes") or ("person",)),
            parts=parts,
            settings=self.system.settings,
        )

    def _found_by_torch(self, pictures: Sequence[_Picture]) -> list[tuple[Any, Any]]:
        """For each picture what torch finds by itself (None: it cannot) and in the true boxes."""
        if self.estimator is not None:
            poses = [self.estimator.predict(p.image, p.boxes) for p in pictures]
            return [
                (None, FoundPeople(p.boxes_xyxy, p.box_scores, [], {"keypoints": p.keypoints}))
                for p in poses
            ]
        cropping = self.system.kind == "topdown"
        inferencer = (TopdownDensePoseInferencer if cropping else DensePoseInferencer)(self.model)
        found = []
        for picture in pictures:
            images = [picture.image]
            alone = None if cropping else inferencer.find_people(images, None)[0]
            found.append((alone, inferencer.find_people(images, [picture.boxes])[0]))
        return found


def _entry(path: Path, network: Network) -> dict[str, Any]:
    entry: dict[str, Any] = {"file": path.name, "sha256": file_digest(path)}
    weights = path.with_suffix(".bin")
    if path.suffix == ".xml":
        entry["with"] = {weights.name: file_digest(weights)}
    if path.suffix == ".pt":
        entry |= {"inputs": list(network.inputs), "outputs": list(network.outputs)}
    return entry


def _move(place: Path, target: Path) -> None:
    """Put the new folder where an old one may stand."""
    place.chmod(0o755)
    if not target.exists():
        place.rename(target)
        return
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as old:
        target.rename(Path(old) / "old")
        place.rename(target)


def _rendered(count: int) -> list[_Picture]:
    """Return the pictures of the generator with the boxes of their people."""
    options = GeneratorOptions(seed=16, scene=SceneOptions())
    found = []
    for index in range(count):
        sample = make_sample(options, "val", index)
        boxes = [record["bbox"] for record in sample.records["coco"][1]]
        xywh = np.asarray(boxes, np.float32).reshape(-1, 4)
        xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        height, width = sample.picture.shape[:2]
        xyxy = xyxy.clip(0, np.asarray([width, height, width, height], np.float32))
        found.append(_Picture(np.ascontiguousarray(sample.picture[..., ::-1]), xyxy))
    return found


def _turned(picture: _Picture) -> _Picture:
    """Return the picture on its side: another shape of the same numbers."""
    image = cv2.rotate(picture.image, cv2.ROTATE_90_CLOCKWISE)
    x1, y1, x2, y2 = picture.boxes.T
    height = picture.image.shape[0]
    return _Picture(image, np.stack([height - y2, x1, height - y1, x2], axis=1))


def _network_inputs(system: CutSystem, pictures: Sequence[_Picture]) -> dict[str, Arrays]:
    """Return what each network gets to see of some pictures, and of the boxes of their people."""
    settings = system.settings
    if system.kind != "rcnn":
        own = settings["crop"]
        crops = [
            normalise(crop(picture.image, *crop_place(box, own), own), own)
            for picture in pictures
            for box in picture.boxes
        ]
        return {"network": {"image": np.stack(crops)}}
    own = settings["picture"]
    small = [rescale(picture.image, own["scale"]) for picture in pictures]
    image = batch_of([normalise(each, own) for each in small], own["divisor"])
    inputs: dict[str, Arrays] = {"body": {"image": image}}
    body = run_torch(system.networks["body"], inputs["body"])
    levels = [values for key, values in body.items() if key.startswith("level_")]
    maps = [values for key, values in body.items() if key.startswith("map_")] or levels
    boxes = [
        picture.boxes * np.float32(each.shape[1] / picture.image.shape[1])
        for picture, each in zip(pictures, small, strict=True)
    ]

    def pooled(source: list[np.ndarray], extractor: dict[str, Any]) -> Arrays:
        used = source[: len(extractor["strides"])]
        parts = [pool_boxes([m[i] for m in used], own, extractor) for i, own in enumerate(boxes)]
        return {"features": np.concatenate(parts)}

    inputs["boxes"] = pooled(levels, settings["boxes"]["extractor"])
    inputs["charts"] = pooled(maps, settings["charts"]["extractor"])
    if "keypoints" in settings:
        extractor = settings["keypoints"]["extractor"]
        inputs["keypoints"] = inputs["charts"] if extractor is None else pooled(levels, extractor)
    return inputs


def _run_all(system: CutSystem, inputs: dict[str, Arrays]) -> dict[str, dict[str, np.ndarray]]:
    return {part: run_torch(net, inputs[part]) for part, net in system.networks.items()}


def _compare(
    report: ExportReport,
    part: str,
    found: Arrays,
    wanted: Arrays,
    limit: float | None,
) -> None:
    """Put down the largest difference of one network's outputs."""
    shares = {}
    for name, expected in wanted.items():
        if found[name].shape != expected.shape:
            raise UserError(
                f"{_NOT_KEPT}: {part}: {name} has the shape {found[name].shape}, not "
                f"{expected.shape}"
            )
        shares[name] = _farthest([found[name] - expected]) / max(_farthest([expected]), 1e-6)
    where = list(shares)[int(np.argmax(list(shares.values())))]
    worst = shares[where]
    shape = "x".join(map(str, next(iter(wanted.values())).shape))
    key = f"{part} {shape}"
    report.add(key, worst, f"largest difference {worst:.1e} ({where})", limit, least=False)


def _farthest(differences: Iterable[np.ndarray]) -> float:
    """Find the largest absolute value, 0 of nothing; NaN (Python's max may drop it) if any."""
    return float(np.max([np.abs(each).max(initial=0) for each in differences], initial=0))


def _add_charts(
    report: ExportReport,
    pairs: Sequence[tuple[FoundPeople, FoundPeople]],
    agreement: float | None,
    precision: str,
) -> None:
    """Put down how many pixels have the same chart, and how far U and V of these lie apart."""
    same = total = 0
    apart = []
    for found, wanted in pairs:
        for one, other in zip(found.densepose, wanted.densepose, strict=True):
            a, b = one.arrays(), other.arrays()
            body = (a.labels > 0) | (b.labels > 0)
            agree = (a.labels == b.labels) & body
            same, total = same + int(agree.sum()), total + int(body.sum())
            apart.append((a.uv - b.uv)[:, agree])
    share, far = same / max(total, 1), _farthest(apart)
    report.add("charts", share, f"{share:.4%} of {total} pixels agree", agreement, least=True)
    limit = UV_LIMIT.get(precision)
    report.add("U, V", far, f"largest difference {far:.1e}", limit, least=False)
