"""Exported systems, ready to be called: what happens between the networks is numpy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import compress
from pathlib import Path

import numpy as np

from mmktn.formats.distinct_people import distinct_people
from mmktn.formats.keypoint_heatmaps import refined_keypoints, stepped_keypoints
from mmktn.runtime.boxes import detections, proposals
from mmktn.runtime.charts import decode_charts, decode_keypoints
from mmktn.runtime.engines import open_engine
from mmktn.runtime.found import FoundPeople
from mmktn.runtime.manifest import Manifest, read_manifest
from mmktn.runtime.pictures import batch_of, crop, crop_place, normalise, rescale
from mmktn.runtime.roi_align import pool_boxes
from mmktn.utils.user_error import UserError

CROPS_PER_PASS = 32


class ExportedSystem(ABC):
    """A system that `python -m mmktn export` wrote.

    Args:
        manifest: What it is.
        engine: What runs it; None: what it was exported for.
        threads: Threads of a network; None: as many as there are cores.

    Raises:
        UserError: A file is missing or another one, or its engine is not installed.
    """

    needs_boxes = True

    def __init__(
        self, manifest: Manifest, engine: str | None = None, threads: int | None = None
    ) -> None:
        self.manifest = manifest
        self.settings = manifest.settings
        self.parts = {
            part: open_engine(engine or manifest.engine, manifest.file(part), threads)
            for part in manifest.parts
        }

    @abstractmethod
    def find_people(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray] | None = None
    ) -> list[FoundPeople]:
        """Look at a batch.

        Args:
            images: (H, W, 3) uint8 BGR, of any sizes.
            boxes: For each image (N, 4) float32 xyxy boxes inside it; None: the system finds the
                people, if it is one that does.

        Returns:
            One entry per image, in its own pixels.

        Raises:
            UserError: The system needs boxes, and there are none.
        """


class RcnnSystem(ExportedSystem):
    """Body, box head and branch of a region-based system."""

    needs_boxes = False

    def find_people(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray] | None = None
    ) -> list[FoundPeople]:
        """Look at a batch; see `ExportedSystem`."""
        picture = self.settings["picture"]
        small = [rescale(image, picture["scale"]) for image in images]
        batch = batch_of([normalise(image, picture) for image in small], picture["divisor"])
        body = self.parts["body"]({"image": batch})
        levels = [body[name] for name in _numbered(body, "level")]
        maps = [body[name] for name in _numbered(body, "map")] or levels
        sizes = [image.shape[:2] for image in small]
        factors = [
            np.asarray([s.shape[1] / i.shape[1], s.shape[0] / i.shape[0]] * 2, np.float32)
            for s, i in zip(small, images, strict=True)
        ]
        if boxes is None:
            found = self._detect(body, levels, sizes)
        else:
            found = [
                (given * factor, np.ones(len(given), np.float32))
                for given, factor in zip(boxes, factors, strict=True)
            ]
        results = []
        for index, (rois, scores) in enumerate(found):
            height, width = images[index].shape[:2]
            limit = np.asarray([width, height, width, height], np.float32)
            own = (
                np.minimum((rois * (1 / factors[index])).clip(0), limit).astype(np.float32)
                if boxes is None
                else np.asarray(boxes[index], np.float32)
            )
            people = FoundPeople(own, scores, [])
            self._look(people, rois, [m[index] for m in levels], [m[index] for m in maps])
            results.append(people if boxes is not None else self._distinct(people))
        return results

    def _distinct(self, people: FoundPeople) -> FoundPeople:
        """Without those who are somebody else once more, where the system asks for it."""
        max_overlap = self.settings["boxes"].get("max_body_overlap")
        if max_overlap is None:
            return people
        keep = distinct_people(people.densepose, people.scores, float(max_overlap))
        return FoundPeople(
            people.boxes_xyxy[keep],
            people.scores[keep],
            list(compress(people.densepose, keep)),
            {name: values[keep] for name, values in people.further.items()},
        )

    def _detect(
        self,
        body: dict[str, np.ndarray],
        levels: list[np.ndarray],
        sizes: list[tuple[int, int]],
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the boxes and scores of each picture, network pixels."""
        logits, deltas = (
            [body[name] for name in _numbered(body, kind)] for kind in ("rpn_logits", "rpn_deltas")
        )
        rois = [
            proposals([x[i] for x in logits], [x[i] for x in deltas], self.settings["rpn"], size)
            for i, size in enumerate(sizes)
        ]
        if not any(map(len, rois)):
            return [(np.zeros((0, 4), np.float32), np.zeros(0, np.float32)) for _ in sizes]
        settings = self.settings["boxes"]
        extractor = settings["extractor"]
        used = levels[: len(extractor["strides"])]
        pooled = [pool_boxes([m[i] for m in used], own, extractor) for i, own in enumerate(rois)]
        heads = self.parts["boxes"]({"features": np.concatenate(pooled)})
        ends = np.cumsum([len(own) for own in rois])[:-1]
        found = []
        for own, logit, delta, size in zip(
            rois, np.split(heads["logits"], ends), np.split(heads["deltas"], ends), sizes,
            strict=True,
        ):  # fmt: skip
            boxes, scores, _ = detections(own, logit, delta, settings, size)
            fine = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
            found.append((boxes[fine], scores[fine]))
        return found

    def _look(
        self,
        people: FoundPeople,
        rois: np.ndarray,
        levels: list[np.ndarray],
        maps: list[np.ndarray],
    ) -> None:
        """Add what the branches see in the boxes of one picture."""
        charts, points = self.settings["charts"], self.settings.get("keypoints")
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for part in _slices(len(rois), charts["chunk"]):
            pooled = pool_boxes(_used(maps, charts), rois[part], charts["extractor"])
            raw = self.parts["charts"]({"features": pooled})
            for row, box in enumerate(people.boxes_xyxy[part]):
                own = {name: values[row] for name, values in raw.items()}
                people.densepose.append(decode_charts(own, box, charts))
            if points is not None:
                if points["extractor"] is not None:
                    pooled = pool_boxes(_used(levels, points), rois[part], points["extractor"])
                heat = self.parts["keypoints"]({"features": pooled})["keypoint_heatmaps"]
                found += map(decode_keypoints, heat, people.boxes_xyxy[part])
        if points is not None:
            count = points["count"]
            places, scores = [p for p, _ in found], [s for _, s in found]
            people.further["keypoints"] = np.reshape(places, (-1, count, 2)).astype(np.float32)
            people.further["keypoint_scores"] = np.reshape(scores, (-1, count)).astype(np.float32)


class _CropSystem(ExportedSystem):
    """A system that looks at one person at a time."""

    def _crops(
        self, image: np.ndarray, boxes: np.ndarray
    ) -> Iterator[tuple[slice, list[tuple[np.ndarray, np.ndarray]], dict[str, np.ndarray]]]:
        """Yield some crops a time: which boxes, where the crops lie, what the network says."""
        settings = self.settings["crop"]
        for part in _slices(len(boxes), CROPS_PER_PASS):
            places = [crop_place(box, settings) for box in boxes[part]]
            cut = [normalise(crop(image, *place, settings), settings) for place in places]
            yield part, places, self.parts["network"]({"image": np.stack(cut)})

    def find_people(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray] | None = None
    ) -> list[FoundPeople]:
        """Look at a batch; see `ExportedSystem`."""
        if boxes is None:
            raise UserError(
                f"{self.manifest.name} looks at one person at a time: give boxes, those of another "
                "exported system for example"
            )
        pairs = zip(images, boxes, strict=True)
        return [self._find_in(image, np.asarray(own, np.float32)) for image, own in pairs]

    @abstractmethod
    def _find_in(self, image: np.ndarray, boxes: np.ndarray) -> FoundPeople:
        """Look at the persons of one image."""


class TopdownSystem(_CropSystem):
    """Charts of one person per crop."""

    def _find_in(self, image: np.ndarray, boxes: np.ndarray) -> FoundPeople:
        people = FoundPeople(boxes, np.ones(len(boxes), np.float32), [])
        for part, places, raw in self._crops(image, boxes):
            for row, (box, (centre, scale)) in enumerate(zip(boxes[part], places, strict=True)):
                middle, half = centre.astype(np.float64), scale.astype(np.float64) / 2
                window = np.concatenate([middle - half, middle + half])
                own = {name: values[row] for name, values in raw.items()}
                people.densepose.append(decode_charts(own, box, self.settings["charts"], window))
        return people


class PoseSystem(_CropSystem):
    """Keypoints of one person per crop (STIP): `keypoints`, `keypoint_scores` in `further`."""

    def _find_in(self, image: np.ndarray, boxes: np.ndarray) -> FoundPeople:
        settings, size = self.settings["heatmaps"], np.asarray(self.settings["crop"]["size"])
        count = settings["count"]
        points = np.zeros((len(boxes), count, 2), np.float32)
        further = {"keypoint_scores": np.zeros((len(boxes), count), np.float32)}
        for part, places, raw in self._crops(image, boxes):
            for row, (centre, scale) in enumerate(places, start=part.start):
                heat = raw["heatmaps"][row - part.start]
                if settings["refined"]:
                    cells, scores = refined_keypoints(heat, settings["blur"])
                else:
                    cells, scores = stepped_keypoints(heat)
                cells = cells * np.asarray(settings["scale"])
                points[row] = cells / size * scale + centre - 0.5 * scale
                further["keypoint_scores"][row] = scores
            if "presence" in raw:
                whole = further.setdefault(
                    "keypoint_presence", np.zeros((len(boxes), count), np.float32)
                )
                whole[part] = raw["presence"]
        people = FoundPeople(boxes, np.ones(len(boxes), np.float32), [])
        people.further = {"keypoints": points, **further}
        return people


SYSTEMS: dict[str, type[ExportedSystem]] = {
    "rcnn": RcnnSystem,
    "topdown": TopdownSystem,
    "pose": PoseSystem,
}


def open_exported(
    folder: str | Path, *, engine: str | None = None, threads: int | None = None
) -> ExportedSystem:
    """Open an exported folder.

    Args:
        folder: What `python -m mmktn export --out` wrote.
        engine: 'onnx' or 'openvino', which opens files of both; None: what it was exported for.
        threads: Threads of a network; None: as many as there are cores.

    Raises:
        UserError: No exported folder, a file of it is missing or changed, or its engine is not
            installed.
    """
    manifest = read_manifest(folder)
    return SYSTEMS[manifest.kind](manifest, engine, threads)


def _numbered(outputs: dict[str, np.ndarray], kind: str) -> list[str]:
    """Return the names kind_0, kind_1, ... among the outputs."""
    names: list[str] = []
    while f"{kind}_{len(names)}" in outputs:
        names.append(f"{kind}_{len(names)}")
    return names


def _used(levels: list[np.ndarray], branch: dict) -> list[np.ndarray]:
    return levels[: len(branch["extractor"]["strides"])]


def _slices(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
