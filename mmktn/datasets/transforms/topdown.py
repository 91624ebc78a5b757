"""Top-down pipeline of dense pose: flip, crop and packing, in mmpose's order and with its keys.

LoadImageFromFile, LoadDensePoseAnnotations, TopdownDensePoseFlip, mmpose's GetBBoxCenterScale,
ClippedBoxJitter, TopdownDensePoseAffine, PackTopdownDensePose. Departure from mmpose: coordinates
are continuous (docs/conventions.md, frame 1) where mmpose takes pixel indices for coordinates, so
that a crop shows the same pixels as the RoI of a region-based system.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from mmpose.datasets.transforms import PackPoseInputs, TopdownAffine

from mmktn.datasets.transforms.geometric import DensePoseRandomFlip
from mmktn.registry import TRANSFORMS
from mmktn.structures import DensePoseAnnotations
from mmktn.structures.crop_grid import crop_matrix, index_matrix, upright_box


@TRANSFORMS.register_module()
class TopdownDensePoseFlip(DensePoseRandomFlip):
    """Horizontal flip of the image, the person's box and its dense pose; before the crop.

    Modified keys: img, bbox, gt_densepose, gt_densepose_boxes. Added keys: flip, flip_direction.
    Arguments as `DensePoseRandomFlip`.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Flip with probability `prob`.

        Raises:
            ValueError: The centre of the crop is chosen already.
        """
        if "bbox_center" in results:
            raise ValueError("TopdownDensePoseFlip has to stand before GetBBoxCenterScale")
        return super().transform(results)

    def _flip(self, results: dict[str, Any]) -> None:
        """Mirror everything: `x -> width - x`."""
        super()._flip(results)
        width = results["img"].shape[1]
        for key in {"bbox", "gt_densepose_boxes"} & results.keys():
            x1, y1, x2, y2 = results[key].T
            results[key] = np.stack((width - x2, y1, width - x1, y2), axis=1)


@TRANSFORMS.register_module()
class TopdownDensePoseAffine(TopdownAffine):
    """Cut the person's crop out of the image and move its dense pose with it.

    Required keys: img, bbox_center (1, 2), bbox_scale (1, 2); bbox_rotation, gt_densepose and
    gt_densepose_boxes where there are any. Modified keys: img, bbox_scale, gt_densepose. Added
    keys: input_size (w, h), input_center, input_scale, and, with gt_densepose, crop_bbox (1, 4)
    float32: the upright box in crop pixels that gt_densepose refers to then.

    Without rotation that box is the person's and the coordinates stay what they are, as under any
    resizing; a rotated person gets the upright box around its turned one.

    Args:
        input_size: Size of the crop, (w, h).
    """

    def __init__(self, input_size: tuple[int, int]) -> None:
        super().__init__(input_size=tuple(input_size))

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Crop.

        Raises:
            ValueError: There is not exactly one person, or its box has no size.
        """
        width, height = self.input_size
        if len(results["bbox_center"]) != 1:
            raise ValueError(
                f"{len(results['bbox_center'])} boxes in one sample; top-down samples have one"
            )
        results["bbox_scale"] = self._fix_aspect_ratio(results["bbox_scale"], width / height)
        center, scale = results["bbox_center"][0], results["bbox_scale"][0]
        rotation = float(results["bbox_rotation"][0]) if "bbox_rotation" in results else 0.0
        matrix = crop_matrix(center, scale, size_wh=self.input_size, rotation=rotation)
        results["img"] = cv2.warpAffine(
            results["img"],
            index_matrix(matrix).numpy(),
            (int(width), int(height)),
            flags=cv2.INTER_LINEAR,
        )
        if "gt_densepose" in results:
            self._move_densepose(results, matrix, rotated=rotation != 0)
        results["input_size"] = (width, height)
        results["input_center"] = center
        results["input_scale"] = scale
        return results

    @staticmethod
    def _move_densepose(results: dict[str, Any], matrix: torch.Tensor, *, rotated: bool) -> None:
        """Refer the dense pose to a box of the crop."""
        box = torch.from_numpy(results["gt_densepose_boxes"][0]).double()
        crop_box = upright_box(box, matrix)
        if rotated:
            results["gt_densepose"] = DensePoseAnnotations(
                item.warp(matrix, box, crop_box) for item in results["gt_densepose"]
            )
        results["crop_bbox"] = crop_box.float()[None]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(input_size={self.input_size})"


@TRANSFORMS.register_module()
class PackTopdownDensePose(PackPoseInputs):
    """`mmpose.PackPoseInputs` that also packs the dense pose of the person.

    `gt_instances` holds `bboxes` (1, 4) xyxy in image pixels, `bbox_scores` and `bbox_scales` as in
    mmpose, and, where the ground truth was loaded, `densepose` (one `DensePoseAnnotation`) and
    `crop_bboxes` (1, 4), the box in crop pixels that it refers to.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack.

        Raises:
            ValueError: Ground truth was loaded but not moved into the crop.
        """
        packed = super().transform(results)
        if "gt_densepose" not in results:
            return packed
        if "crop_bbox" not in results:
            raise ValueError(
                "gt_densepose does not refer to the crop: put mmktn.TopdownDensePoseAffine after "
                "mmktn.LoadDensePoseAnnotations"
            )
        truth = packed["data_samples"].gt_instances
        truth.crop_bboxes = results["crop_bbox"]
        truth.densepose = results["gt_densepose"]
        return packed
