"""The numbers of detectron2's evaluator for continuous surface embeddings, and mesh alignment.

Cases come from the names in cse_outputs.json of MMKTN_CONFIDENCE_CSE_DIR, else of the copy in
tests/data/reference/confidence_cse: other sets and levels of the same layout need no change here.
"""

import gzip
import json
import os
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.vertices import (
    VertexGps,
    evaluate_vertices,
    mesh_alignment,
    points_in_box,
    vertex_kappas,
)
from mmktn.formats.dense_detections import DenseDetections
from mmktn.models.embedding import SurfaceEmbedder
from mmktn.models.postprocess import VertexDecoder
from mmktn.structures import ChartOutput, DensePoseAnnotation, FlipRules
from mmktn.surface.reference_mesh import ReferenceMesh
from mmktn.surface.symmetry import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP
from tests.reference_files import COPIES

FOLDER = Path(os.environ.get("MMKTN_CONFIDENCE_CSE_DIR") or COPIES / "confidence_cse")
TOLERANCE = 1e-6
MODES = {"GPS": "gps", "GPSM": "gpsm", "IOU": "iou"}
CLASSES = {"animals": {76: 0, 80: 1}}
"""Category of the file -> contiguous one; people and the edge cases have category 1."""
CLASS_OF_PERSON = {1: 0}


def outputs():
    path = FOLDER / "cse_outputs.json"
    return json.loads(path.read_text()) if path.is_file() else {}


CASES = sorted(outputs())
cases = pytest.mark.parametrize("case", CASES)


@cache
def meshes() -> dict[str, ReferenceMesh]:
    data = np.load(FOLDER / "cse_meshes.npz")
    return {
        name: ReferenceMesh(
            name,
            {
                "geodesics": data[f"mesh/{name}/geodists"].astype(np.float32),
                "mirror": data[f"mesh/{name}/vertex_transforms"],
            },
        )
        for name in mesh_names()
    }


def mesh_names() -> list[str]:
    found = np.load(FOLDER / "cse_meshes.npz").files
    return [name.split("/")[1] for name in found if name.endswith("/geodists")]


class FixedVectors(SurfaceEmbedder):
    """Vectors of the reference in place of learned ones."""

    def __init__(self) -> None:
        data = np.load(FOLDER / "cse_meshes.npz")
        self_vectors = {n: torch.from_numpy(data[f"embedder/{n}/out"]) for n in mesh_names()}
        shapes = {n: {"num_vertices": len(v), "kind": "direct"} for n, v in self_vectors.items()}
        super().__init__(shapes)
        self.fixed = self_vectors

    def forward(self, name: str) -> torch.Tensor:
        return self.fixed[name]


@cache
def truth(set_name: str) -> DensePoseTruth:
    content = gzip.decompress((FOLDER / f"cse_{set_name}_gt.json.gz").read_bytes())
    data = json.loads(content)
    class_of = CLASSES.get(set_name, CLASS_OF_PERSON)
    data["annotations"] = [
        a | {"category_id": class_of[a["category_id"]]} for a in data["annotations"]
    ]
    data["categories"] = [{"id": class_of[c["id"]], "name": c["name"]} for c in data["categories"]]
    return DensePoseTruth.from_coco(data, set_name)


@cache
def detections(case: str):
    """Detections, and the function that gives their vertices, made by our decoder."""
    path = FOLDER / f"cse_{case.replace('/', '_')}_dets.npz"
    if case.endswith("/empty") and not path.is_file():
        return DenseDetections.from_maps(
            [], np.zeros((0, 4)), scores=[], maps=[], category_ids=[]
        ), None
    data = np.load(path)
    boxes = torch.from_numpy(data["box_xyxy"])
    decoder = VertexDecoder(mesh_names()[0], all_meshes=True)
    decoder.bind(FixedVectors())
    maps = {n: torch.from_numpy(data[n].astype(np.float32)) for n in ("coarse_segm", "embedding")}
    found = decoder.decode(ChartOutput(maps), boxes)["vertices"] if len(boxes) else []
    masks = [result.mask.numpy().astype(np.uint8) for result in found]
    ours = DenseDetections.from_maps(
        data["image_id"],
        data["bbox"],
        scores=data["score"],
        maps=[np.repeat(mask[None], 3, axis=0) for mask in masks],
        category_ids=data["category_id"],
        name=case,
    )

    def load(index: int, mesh: str) -> np.ndarray:
        return np.where(masks[index] > 0, found[index].vertices[mesh].numpy(), -1)

    return ours, load


@cache
def scores(case: str, minimum: float = 0.5):
    ours, load = detections(case)
    return evaluate_vertices(truth(case.split("/")[0]), ours, meshes(), load, min_threshold=minimum)


def tables():
    for case in CASES:
        for group, modes in outputs()[case].items():
            found = re.fullmatch(r"min_threshold_(\d*\.\d+)", group)
            if found:
                for mode, expected in modes.items():
                    label = f"{case}-{group}-{mode}"
                    yield pytest.param(case, float(found[1]), mode, expected, id=label)


def test_reference_cse_metric_folder_has_cases():
    assert CASES, f"no cse_outputs.json in {FOLDER}"


@pytest.mark.parametrize(("case", "minimum", "mode", "expected"), list(tables()))
def test_reference_cse_columns(case, minimum, mode, expected):
    found = scores(case, minimum).values()
    for column, value in expected.items():
        ours = found[f"{MODES[mode]}/{column}"]
        if value is None or np.isnan(value) or value < 0:  # no ground truth, or no results
            assert ours < 0 or np.isnan(ours), column
        else:
            assert ours * 100 == pytest.approx(value, abs=100 * TOLERANCE), column


def ragged(data, name: str) -> list[np.ndarray]:
    shapes = data[f"{name}_shape"].astype(int)
    ends = np.cumsum([0, *shapes.prod(axis=1)])
    flat = data[f"{name}_data"]
    return [flat[ends[k] : ends[k + 1]].reshape(shapes[k]) for k in range(len(shapes))]


@cases
def test_reference_cse_similarities(case):
    path = FOLDER / f"cse_{case.replace('/', '_')}_detail.npz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not part of this folder")
    data = np.load(path)
    pairs = {(p.image_id, p.category_id): p for p in scores(case).pairs}
    compared = 0
    for k, key in enumerate(data["pair_img_cat"].tolist()):
        gps = ragged(data, "gps")[k]
        if not gps.size:
            continue
        pair = pairs[tuple(key)]
        assert pair.det_index.tolist() == ragged(data, "det_index")[k].reshape(-1).tolist()
        assert pair.gt_ids.tolist() == ragged(data, "gt_id")[k].reshape(-1).tolist()
        # A pair without a number (kappa 0 at distance 0) is 0 here.
        np.testing.assert_allclose(pair.similarities["gps"], np.nan_to_num(gps), atol=TOLERANCE)
        # One pixel of a mask may be a near tie (README of the files).
        np.testing.assert_allclose(pair.similarities["iou"], ragged(data, "mask_iou")[k], atol=1e-4)
        np.testing.assert_allclose(pair.box_iou, ragged(data, "box_iou")[k], atol=TOLERANCE)
        compared += gps.size
    assert compared


STEP_SETS = sorted(
    {n.split("/")[0] for n in np.load(FOLDER / "cse_steps.npz").files} - {"flip"}
    if (FOLDER / "cse_steps.npz").is_file()
    else set()
)


@pytest.mark.parametrize("set_name", STEP_SETS)
def test_reference_cse_points(set_name):
    """Pixel, distance and normaliser of every point of every pair."""
    steps = np.load(FOLDER / "cse_steps.npz")
    ours, load = detections(f"{set_name}/mixed")
    persons = {p.annotation_id: p for p in truth(set_name).all_persons()}
    gps = VertexGps(meshes(), load)
    names = ("px", "py", "outside", "dist", "kappa")
    parts = {
        n: np.split(steps[f"{set_name}/pp_{n}"], np.cumsum(steps[f"{set_name}/pp_{n}_n"])[:-1])
        for n in names
    }
    for k, (position, annotation) in enumerate(steps[f"{set_name}/pp_pair"].tolist()):
        person, box = persons[annotation], ours.boxes_xywh[position]
        pixels, inside = points_in_box(person, box, grid=255.0, toward_zero=True)
        np.testing.assert_array_equal(~inside, parts["outside"][k] == -1)
        np.testing.assert_array_equal(pixels[inside, 0], parts["px"][k][inside])
        np.testing.assert_array_equal(pixels[inside, 1], parts["py"][k][inside])
        np.testing.assert_allclose(vertex_kappas(person), parts["kappa"][k], atol=1e-12)
        found = gps.distances(person, box, position)
        np.testing.assert_allclose(found, parts["dist"][k], atol=TOLERANCE)


def test_reference_cse_flip():
    """A horizontal flip of an annotation; -1 stays unknown here."""
    if not STEP_SETS:
        pytest.skip("cse_steps.npz is not part of this folder")
    steps = np.load(FOLDER / "cse_steps.npz")
    before, after = steps["flip/vertex"], steps["flip/vertex_after"]
    known = before >= 0
    mirrors = {n: m.mirror for n, m in meshes().items()}
    fitting = [
        n
        for n, m in mirrors.items()
        if before.max() < len(m) and np.array_equal(m[before[known]], after[known])
    ]
    assert fitting, "no mesh mirrors these vertices so"
    segm = np.unpackbits(steps["flip/segm"]).reshape(256, 256)
    item = DensePoseAnnotation(
        point_xy=torch.zeros(0, 2),
        point_charts=torch.zeros(0, dtype=torch.int64),
        point_uv=torch.zeros(0, 2),
        coarse_map=torch.from_numpy(segm),
        mesh=fitting[0],
        vertex_xy=torch.from_numpy(np.stack([steps["flip/x"], steps["flip/y"]], axis=1)) / 256,
        vertices=torch.from_numpy(before),
    )
    rules = FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, None, mirrors)
    found = item.flip(rules)
    np.testing.assert_array_equal(found.vertices[torch.from_numpy(known)], after[known])
    np.testing.assert_array_equal(found.vertices[torch.from_numpy(~known)], before[~known])
    theirs = np.stack([steps["flip/x_after"], steps["flip/y_after"]], axis=1)
    np.testing.assert_allclose(found.vertex_xy.numpy() * 256, theirs, atol=1e-3)
    expected = np.unpackbits(steps["flip/segm_after"]).reshape(256, 256)
    np.testing.assert_array_equal(found.coarse_map.numpy() > 0, expected > 0)


def test_reference_cse_mesh_alignment():
    path = FOLDER / "cse_mesh_alignment.json"
    if not path.is_file():
        pytest.skip("cse_mesh_alignment.json is not part of this folder")
    data = json.loads(path.read_text())
    vectors = {n: v.numpy() for n, v in FixedVectors().fixed.items()}
    for name, expected in data["results"].items():
        if name == "extra_key_vertex":
            continue
        chosen = {n: vectors[n] for n in expected["meshes"]}
        found = mesh_alignment(chosen, meshes(), data["keyvertices"])
        assert found.error == pytest.approx(expected["GE"], abs=TOLERANCE), name
        assert found.gps == pytest.approx(expected["GPS"], abs=TOLERANCE), name
        for mesh in expected["meshes"]:
            assert found.errors[mesh] == pytest.approx(expected["per_mesh"]["GE"][mesh], abs=1e-6)
            theirs = expected["per_mesh"]["GPS"][mesh]
            assert found.similarities[mesh] == pytest.approx(theirs, abs=1e-6)
    lacking = {m: dict(keys) for m, keys in data["keyvertices"].items()}
    lacking[next(iter(lacking))]["only_here"] = 0
    with pytest.raises(ValueError, match="only_here"):
        mesh_alignment(vectors, meshes(), lacking)
