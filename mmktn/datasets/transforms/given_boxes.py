"""Boxes handed to a system that finds none itself: annotated ones or a detector's."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from mmengine.logging import print_log

from mmktn.registry import TRANSFORMS

_FIELDS = ("image_id", "category_id", "bbox", "score")
_PERSON = 1


@TRANSFORMS.register_module()
class LoadGivenBoxes(BaseTransform):
    """Add the boxes in which `ChartFCN` shall give results, in pixels of the original image.

    Required keys: instances or, with `bbox_file`, img_id. Added keys: given_boxes (N, 4) float32
    xyxy, given_scores (N,); keep them through the `meta_keys` of `PackDensePoseInputs`.

    Args:
        bbox_file: JSON list of detections with image_id, category_id (1 is the person, others are
            left out), bbox (x, y, w, h) and score, such as `DensePoseMetric` writes; None: the
            annotated persons, crowds left out, score 1.
        max_per_image: Detections kept, the best ones; the metric looks at 20.

    Raises:
        FileNotFoundError: `bbox_file` is missing.
        ValueError: A detection has not the fields; it is named.
    """

    def __init__(self, bbox_file: str | None = None, *, max_per_image: int = 20) -> None:
        self.bbox_file = bbox_file
        self.max_per_image = max_per_image
        self._found = None if bbox_file is None else _read_detections(bbox_file)
        self._warned = False

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add them; an image without detections gets none, and the first such is logged."""
        if self._found is None:
            boxes = [i["bbox"] for i in results["instances"] if not i.get("ignore_flag", 0)]
            scores = [1.0] * len(boxes)
        else:
            found = sorted(self._of_image(results["img_id"]), key=lambda item: -item[1])
            boxes = [box for box, _ in found[: self.max_per_image]]
            scores = [score for _, score in found[: self.max_per_image]]
        results["given_boxes"] = np.array(boxes, dtype=np.float32).reshape(-1, 4)
        results["given_scores"] = np.array(scores, dtype=np.float32)
        return results

    def _of_image(self, image_id: Any) -> list[tuple[list[float], float]]:
        assert self._found is not None
        if image_id not in self._found and not self._warned:
            self._warned = True
            print_log(
                f"{self.bbox_file} has no person on image {image_id}; if it has none on any image, "
                "it belongs to another data set (further images are not listed)",
                logger="current",
                level=logging.WARNING,
            )
        return self._found.get(image_id, [])

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(bbox_file={self.bbox_file!r}, "
            f"max_per_image={self.max_per_image})"
        )


def _read_detections(path: str) -> dict[Any, list[tuple[list[float], float]]]:
    """Image id -> boxes xyxy of persons with their scores."""
    if not fileio.isfile(path):
        raise FileNotFoundError(f"bbox_file not found: {path}")
    entries = fileio.load(path, file_format="json")
    if not isinstance(entries, list):
        raise ValueError(f"{path}: holds a {type(entries).__name__}, not a list of detections")
    found = defaultdict(list)
    for index, entry in enumerate(entries):
        missing = [f for f in _FIELDS if not isinstance(entry, dict) or f not in entry]
        if missing:
            raise ValueError(f"detection {index} of {path}: has no {missing[0]!r}")
        if entry["category_id"] != _PERSON:
            continue
        x, y, w, h = (float(value) for value in entry["bbox"])
        found[entry["image_id"]].append(([x, y, x + w, y + h], float(entry["score"])))
    return dict(found)
