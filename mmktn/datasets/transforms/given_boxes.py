"""Boxes handed to a system that finds none itself: annotated ones or a detector's."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log

from mmktn.formats.detection_files import COCO_PERSON, Detection, detections_of
from mmktn.formats.json_files import read_json
from mmktn.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadGivenBoxes(BaseTransform):
    """Add the boxes in which `ChartFCN` shall give results, in pixels of the original image.

    Required keys: instances or, with `bbox_file`, img_id. Read keys: person_ids, the person's
    categories in the annotation file (COCO's 1 where the data set does not say). Added keys:
    given_boxes (N, 4) float32 xyxy, given_scores (N,); keep them through the `meta_keys` of
    `PackDensePoseInputs`.

    Args:
        bbox_file: JSON list of detections with image_id, category_id (the person's in the
            annotation file; others are left out), bbox (x, y, w, h) and score, such as
            `DensePoseMetric` writes; None: the annotated persons, crowds left out, score 1.
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
            persons = results.get("person_ids", {COCO_PERSON})
            found = self._of_image(results["img_id"], persons)[: self.max_per_image]
            boxes = [[x, y, x + w, y + h] for x, y, w, h in (item.box_xywh for item in found)]
            scores = [item.score for item in found]
        results["given_boxes"] = np.array(boxes, dtype=np.float32).reshape(-1, 4)
        results["given_scores"] = np.array(scores, dtype=np.float32)
        return results

    def _of_image(self, image_id: Any, persons: Collection[int]) -> list[Detection]:
        assert self._found is not None
        found = [item for item in self._found.get(image_id, []) if item.category_id in persons]
        if not found and not self._warned:
            self._warned = True
            print_log(
                f"{self.bbox_file} has no person (category {sorted(persons)}) on image {image_id}; "
                "if it has none on any image, it belongs to another data set (further images are "
                "not listed)",
                logger="current",
                level=logging.WARNING,
            )
        return sorted(found, key=lambda item: -item.score)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(bbox_file={self.bbox_file!r}, "
            f"max_per_image={self.max_per_image})"
        )


def _read_detections(path: str) -> dict[Any, list[Detection]]:
    """Image id -> its detections."""
    found = defaultdict(list)
    for detection in detections_of(read_json(path, "bbox_file"), path):
        found[detection.image_id].append(detection)
    return dict(found)
