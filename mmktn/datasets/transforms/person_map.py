"""Pipeline steps about figure and ground: where persons are, and painting over the rest.

DP-FCN draws background points from it; teacher and figure-ground oracle see their person alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmktn.datasets.person_maps import PERSON, draw_person_map
from mmktn.datasets.transforms.loading import UNKNOWN_FILE
from mmktn.formats.annotation_checks import AnnotationError, Problem
from mmktn.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadPersonMap(BaseTransform):
    """Draw the persons into `gt_seg_map`, which mmdet's transforms move along with the image.

    Required keys: img_shape, instances; used where there: all_persons
    (`DensePosePersonDataset`). Added keys: gt_seg_map (H, W) uint8: 0 background, 1 a person of the
    item, 2 another person of the image, 255 unknown (crowds, persons without an outline).
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw.

        Raises:
            AnnotationError: A segmentation does not decode; names file, annotation and field.
        """
        own = results["instances"]
        ids = {instance.get("ann_id") for instance in own}
        others = [item for item in results.get("all_persons", ()) if item["ann_id"] not in ids]
        try:
            results["gt_seg_map"] = draw_person_map(own, others, tuple(results["img_shape"][:2]))
        except ValueError as error:
            place, _, text = str(error).partition(", field ")
            field, _, message = text.partition(": ")
            file, ann_id = results.get("ann_file", UNKNOWN_FILE), place.rpartition(" ")[2]
            problem = Problem(file, ann_id, results.get("img_id"), field, message)
            raise AnnotationError([problem]) from error
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@TRANSFORMS.register_module()
class PaintBackground(BaseTransform):
    """Paint everything but the person in one colour.

    Required keys: img, gt_seg_map. Modified keys: img.

    Args:
        color: In the channel order of `img`; the mean of the data becomes 0 in the network.
    """

    def __init__(self, color: Sequence[float] = (103.53, 116.28, 123.675)) -> None:
        self.color = tuple(color)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Paint.

        Raises:
            KeyError: There is no map of the persons.
        """
        if "gt_seg_map" not in results:
            raise KeyError("PaintBackground needs gt_seg_map: put mmktn.LoadPersonMap before it")
        image = results["img"].copy()
        image[results["gt_seg_map"] != PERSON] = np.round(self.color).astype(image.dtype)
        results["img"] = image
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(color={self.color})"
