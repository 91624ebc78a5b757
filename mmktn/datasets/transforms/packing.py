"""Last pipeline step: mmdet's packing with dense pose beside the boxes.

mmdet transforms may clip boxes (Resize with clip_object_border, crops). Box-relative coordinates
would then silently refer to another frame; here they are re-based on the boxes as they are packed.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from mmdet.datasets.transforms import PackDetInputs
from mmdet.structures.bbox import BaseBoxes
from numpy.typing import NDArray

from mmktn.registry import TRANSFORMS
from mmktn.structures import DensePoseAnnotations

_CLIP_TOLERANCE_PX = 0.01


@TRANSFORMS.register_module()
class PackDensePoseInputs(PackDetInputs):
    """`mmdet.PackDetInputs` that also packs `gt_densepose`.

    The outcome holds `data_samples.gt_instances.densepose` (persons) and
    `data_samples.ignored_instances.densepose` (crowds), aligned with the boxes. Without
    `gt_densepose` in the results (a test pipeline) it is `PackDetInputs`. `view_matrix` of a turned
    view is always among the meta information.

    Args:
        meta_keys: Keys kept as meta information of the sample.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack image and ground truth.

        Raises:
            ValueError: Boxes and dense pose are no longer aligned, or a transform rotated or
                sheared the image, which the annotation format cannot express.
        """
        if "img" in results:
            results["img"] = _channels_first(results["img"])
        packed = super().transform(results)
        if "view_matrix" in results:
            packed["data_samples"].set_metainfo({"view_matrix": results["view_matrix"]})
        if "gt_densepose" not in results:
            return packed
        densepose = _rebased_on_packed_boxes(results)
        ignored = np.asarray(results.get("gt_ignore_flags", np.zeros(len(densepose), dtype=bool)))
        sample = packed["data_samples"]
        sample.gt_instances.densepose = densepose[ignored == 0]
        sample.ignored_instances.densepose = densepose[ignored == 1]
        return packed


def _channels_first(image: NDArray[Any]) -> NDArray[Any]:
    """Return the same picture with each channel in a piece, which mmdet then packs without a copy.

    OpenCV takes channels apart four to seven times as fast as a transposed copy does.
    """
    if image.ndim != 3 or image.dtype != np.uint8 or image.size == 0:
        return image
    mirrored = image.strides[1] < 0  # as mmcv flips
    planes = np.zeros((image.shape[2], *image.shape[:2]), dtype=np.uint8)
    cv2.split(image[:, ::-1] if mirrored else image, list(planes))
    if mirrored:
        for plane in planes:
            cv2.flip(plane, 1, dst=plane)
    return planes.transpose(1, 2, 0)


def _rebased_on_packed_boxes(results: dict[str, Any]) -> DensePoseAnnotations:
    """Return the dense pose whose coordinates refer to `gt_bboxes` as they are now."""
    densepose = results["gt_densepose"]
    boxes = results["gt_bboxes"]
    boxes = boxes.tensor if isinstance(boxes, BaseBoxes) else torch.as_tensor(boxes)
    place = f"image id {results.get('img_id')} of {results.get('ann_file')}"
    if len(boxes) != len(densepose):
        raise ValueError(
            f"{place}: {len(boxes)} boxes but {len(densepose)} dense-pose records; a transform "
            "before PackDensePoseInputs removed boxes without gt_densepose"
        )
    frames = _moved_boxes(results, place)
    off = (frames - boxes).abs().amax(dim=1) > _CLIP_TOLERANCE_PX if len(boxes) else boxes[:, 0]
    if not off.any():
        return densepose
    return DensePoseAnnotations(
        item.rebase(frame, box) if moved else item
        for item, frame, box, moved in zip(densepose, frames, boxes, off.tolist(), strict=True)
    )


def _moved_boxes(results: dict[str, Any], place: str) -> torch.Tensor:
    """The boxes of the annotation frame, carried through all geometric transforms, not clipped."""
    boxes = torch.from_numpy(results["gt_densepose_boxes"])
    homography = results.get("homography_matrix")
    if homography is None:
        return boxes
    matrix = torch.as_tensor(homography, dtype=torch.float32)
    if bool((matrix[[0, 1, 2, 2], [1, 0, 0, 1]].abs() > 1e-6).any()):
        raise ValueError(
            f"{place}: the image was rotated or sheared; dense-pose annotations "
            "live on upright boxes; rotate with mmktn.DensePoseRandomRotation, before Resize"
        )
    scale, shift = matrix.diagonal()[:2].repeat(2), matrix[:2, 2].repeat(2)
    moved = (boxes * scale + shift).view(-1, 2, 2)
    return torch.cat((moved.amin(dim=1), moved.amax(dim=1)), dim=1)
