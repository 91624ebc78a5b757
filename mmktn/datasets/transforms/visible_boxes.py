"""Boxes around what a crop leaves of people."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import HorizontalBoxes
from torch import Tensor

from mmktn.registry import TRANSFORMS
from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations


@TRANSFORMS.register_module()
class FitBoxesToVisible(BaseTransform):
    """Draw each box tight around the part of the person that the image still shows.

    Comes after warps and crops: they leave boxes that reach over the border, and rotations leave
    loose ones. What is visible is read off the coarse map; a person without one keeps its box, cut
    at the border. Who shows too little is taken out.

    Required keys: img_shape, gt_bboxes, gt_bboxes_labels, gt_densepose, gt_densepose_boxes; cut
    where there: gt_ignore_flags, instances.

    Args:
        min_side: Boxes with a shorter side, in pixels, are taken out.
        min_points: So are people with fewer annotated points inside the image, if they had as many.
    """

    def __init__(self, min_side: float = 8.0, min_points: int = 12) -> None:
        self.min_side = min_side
        self.min_points = min_points

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Fit the boxes and drop the rest."""
        height, width = results["img_shape"][:2]
        limit = torch.tensor([width, height, width, height], dtype=torch.float64)
        kept, boxes, people = [], [], []
        for index, (item, frame) in enumerate(
            zip(
                results["gt_densepose"],
                torch.from_numpy(results["gt_densepose_boxes"]).double(),
                strict=True,
            )
        ):
            box = torch.minimum(frame.clamp(min=0), limit)
            if not self._large_enough(box):
                continue
            visible = _visible_part(item, frame, box)
            if visible is None or not self._large_enough(visible):
                continue
            if item.valid and self._points_lost(item, frame, limit):
                continue
            kept.append(index)
            boxes.append(visible)
            people.append(item.rebase(frame.float(), visible.float()))
        chosen = np.array(kept, dtype=np.int64)
        fitted = torch.stack(boxes).float() if boxes else torch.zeros(0, 4)
        results["gt_bboxes"] = HorizontalBoxes(fitted)
        results["gt_densepose"] = DensePoseAnnotations(people)
        results["gt_densepose_boxes"] = fitted.numpy()
        for key in ("gt_bboxes_labels", "gt_ignore_flags"):
            if key in results:
                results[key] = results[key][chosen]
        if "instances" in results:
            results["instances"] = [results["instances"][i] for i in kept]
        return results

    def _large_enough(self, box: Tensor) -> bool:
        return bool((box[2:] - box[:2] >= self.min_side).all())

    def _points_lost(self, item: DensePoseAnnotation, frame: Tensor, limit: Tensor) -> bool:
        """Whether too few points are left."""
        place = frame[:2] + item.point_xy.double() * (frame[2:] - frame[:2])
        inside = ((place >= 0) & (place < limit[2:])).all(dim=1)
        return int(inside.sum()) < min(self.min_points, len(place))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(min_side={self.min_side}, min_points={self.min_points})"


def _visible_part(item: DensePoseAnnotation, frame: Tensor, box: Tensor) -> Tensor | None:
    """Find the box around the labelled cells of the coarse map in `box`; None without any."""
    if item.coarse_map is None:
        return box
    rows, columns = (item.coarse_map.shape[axis] for axis in (0, 1))
    size = frame[2:] - frame[:2]
    seen = item.coarse_map > 0
    ends = []
    for axis, cells in ((0, columns), (1, rows)):
        centres = frame[axis] + (torch.arange(cells) + 0.5) / cells * size[axis]
        inside = (centres >= box[axis]) & (centres <= box[axis + 2])
        seen = seen & (inside[None, :] if axis == 0 else inside[:, None])
    if not bool(seen.any()):
        return None
    for axis, cells in ((0, columns), (1, rows)):
        hit = seen.any(dim=axis).nonzero()[:, 0]
        step = size[axis] / cells
        ends.append((frame[axis] + hit[0] * step, frame[axis] + (hit[-1] + 1) * step))
    fitted = torch.stack((ends[0][0], ends[1][0], ends[0][1], ends[1][1]))
    return torch.cat((torch.maximum(fitted[:2], box[:2]), torch.minimum(fitted[2:], box[2:])))
