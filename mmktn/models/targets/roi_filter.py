"""Which sampled boxes train the dense-pose branch (detectron2's DensePose)."""

import torch
from torch import Tensor


def densepose_roi_mask(
    rois_xyxy: Tensor, gt_boxes_xyxy: Tensor, *, annotated: Tensor, min_iou: float
) -> Tensor:
    """Select RoIs that overlap their annotated person by strictly more than `min_iou`.

    Args:
        rois_xyxy: (N, 4) sampled boxes.
        gt_boxes_xyxy: (N, 4) the person matched to each of them.
        annotated: (N,) bool, whether that person carries a dense pose.
        min_iou: 0.7 in DensePose R-CNN, 0.65 in KTN.

    Returns:
        (N,) bool.
    """
    return (pairwise_iou(rois_xyxy, gt_boxes_xyxy) > min_iou) & annotated.to(rois_xyxy.device)


def pairwise_iou(a_xyxy: Tensor, b_xyxy: Tensor) -> Tensor:
    """Intersection over union of box i with box i: (N, 4), (N, 4) -> (N,); 0 for empty boxes."""
    top_left = torch.maximum(a_xyxy[:, :2], b_xyxy[:, :2])
    bottom_right = torch.minimum(a_xyxy[:, 2:], b_xyxy[:, 2:])
    inter = (bottom_right - top_left).clamp(min=0).prod(dim=1)
    areas = [(box[:, 2:] - box[:, :2]).clamp(min=0).prod(dim=1) for box in (a_xyxy, b_xyxy)]
    union = areas[0] + areas[1] - inter
    return torch.where(union > 0, inter / union.clamp(min=torch.finfo(union.dtype).tiny), 0)
