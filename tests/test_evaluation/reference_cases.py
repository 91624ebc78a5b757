"""Read the metric reference folder: MMKTN_METRIC_REFERENCE_DIR, else the copy in tests/data."""

import gzip
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.scores import evaluate_densepose
from mmktn.evaluation.functional.keypoints.data import KeypointDetections, KeypointTruth
from mmktn.formats.dense_detections import DenseDetections
from mmktn.surface import load_surface

FOLDER = Path(
    os.environ.get("MMKTN_METRIC_REFERENCE_DIR")
    or Path(__file__).parents[1] / "data" / "reference" / "metrics"
)
TOLERANCE = 1e-6  # the issue's; the same float64 formulas agree to about 1e-15


def folder_file(name: str) -> Path:
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"{path} is not part of this reference folder")
    return path


def read_json(name: str) -> Any:
    path = FOLDER / name
    if not path.is_file():
        return {}
    text = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    return json.loads(text)


@cache
def densepose_outputs() -> dict[str, Any]:
    return read_json("dp_outputs.json")


@cache
def keypoint_outputs() -> dict[str, Any]:
    return read_json("kp_outputs.json")


@cache
def reference_surface():
    return load_surface(folder_file("body.npz"))


@cache
def densepose_truth(set_name: str) -> DensePoseTruth:
    return DensePoseTruth.from_coco(read_json(f"dp_{set_name}_gt.json.gz"), set_name)


@cache
def densepose_detections(set_name: str, level: str) -> DenseDetections:
    path = FOLDER / f"dp_{set_name}_{level}_dets.npz"
    if level == "empty" and not path.is_file():
        return DenseDetections.from_maps([], np.zeros((0, 4)), scores=[], maps=[], category_ids=[])
    data = np.load(path)
    ends, shapes = data["iuv_offset"], data["iuv_shape"]
    flat = data["iuv"]
    maps = [flat[ends[k] : ends[k + 1]].reshape(3, *shapes[k]) for k in range(len(shapes))]
    return DenseDetections.from_maps(
        data["image_id"],
        data["bbox"],
        scores=data["score"],
        maps=maps,
        category_ids=data["category_id"],
        name=f"{set_name}/{level}",
    )


@cache
def densepose_scores(set_name: str, level: str, min_threshold: float = 0.5):
    return evaluate_densepose(
        densepose_truth(set_name),
        densepose_detections(set_name, level),
        reference_surface(),
        min_threshold=min_threshold,
    )


@cache
def keypoint_truth(set_name: str) -> KeypointTruth:
    return KeypointTruth.from_coco(read_json(f"kp_{set_name}_gt.json.gz"), set_name)


@cache
def keypoint_detections(set_name: str, level: str) -> KeypointDetections:
    name = f"kp_{set_name}_{level}_results.json.gz"
    entries = [] if level == "empty" and not (FOLDER / name).is_file() else read_json(name)
    return KeypointDetections.from_entries(entries, name=f"{set_name}/{level}")


def is_crowd_set(set_name: str) -> bool:
    return not np.isnan(list(keypoint_truth(set_name).images.values())).all()


class Detail:
    """A *_detail.npz with its ragged lists."""

    def __init__(self, name: str) -> None:
        self.data = np.load(folder_file(name))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.data[name]

    def __contains__(self, name: str) -> bool:
        return name in self.data.files or f"{name}_shape" in self.data.files

    def ragged(self, name: str) -> list[np.ndarray]:
        shapes = self.data[f"{name}_shape"].astype(int)
        ends = np.cumsum([0, *shapes.prod(axis=1)])
        flat = self.data[f"{name}_data"]
        return [flat[ends[k] : ends[k + 1]].reshape(shapes[k]) for k in range(len(shapes))]
