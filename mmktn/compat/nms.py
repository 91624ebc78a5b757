"""Greedy non-maximum suppression in plain torch, equal to mmcv's compiled operator.

Boxes are taken in blocks of descending score, so memory stays at block * number of boxes instead of
the square of their number.
"""

import numpy as np
import torch
from torch import Tensor

_BLOCK = 512


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Keep boxes that overlap no better-scored kept box by more than a threshold.

    Args:
        boxes: (N, 4) x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: A box is dropped when its IoU with a kept one is strictly larger.
        offset: 0, or 1 where x2, y2 are the last pixel's index (extent x2 - x1 + 1).

    Returns:
        Indices of the kept boxes, by descending score (equal scores: lower index first), on the
        device of `boxes`.
    """
    order = scores.sort(descending=True, stable=True).indices
    # Suppression is sequential: on the CPU it is a cheap loop, on a GPU it would be one kernel per
    # box.
    ranked = boxes[order].detach().cpu()
    if ranked.dtype not in (torch.float32, torch.float64):
        ranked = ranked.float()
    kept = torch.zeros(0, dtype=torch.long)
    for start in range(0, ranked.shape[0], _BLOCK):
        block = torch.arange(start, min(start + _BLOCK, ranked.shape[0]))
        for earlier in kept.split(_BLOCK):
            overlaps = _exceeds(ranked[earlier], ranked[block], iou_threshold, offset)
            block = block[~overlaps.any(0)]
        inside = _exceeds(ranked[block], ranked[block], iou_threshold, offset)
        kept = torch.cat([kept, block[_suppress_within(inside)]])
    return order[kept.to(order.device)]


def box_overlaps(first: Tensor, second: Tensor, offset: int, *, of_first: bool = False) -> Tensor:
    """Measure how much of two boxes, or of the first one, they have in common.

    Args:
        first: (..., 4) x1, y1, x2, y2.
        second: (..., 4), of a shape that broadcasts with `first`.
        offset: 0, or 1 where x2, y2 are the last pixel's index.
        of_first: Divide by the area of `first` instead of the union.

    Returns:
        (...,) ratios; NaN where both areas are 0.
    """
    top_left = torch.maximum(first[..., :2], second[..., :2])
    bottom_right = torch.minimum(first[..., 2:], second[..., 2:])
    extent = (bottom_right - top_left + offset).clamp_(min=0)
    overlap = extent[..., 0] * extent[..., 1]
    area = _area(first, offset)
    return overlap / (area if of_first else area + _area(second, offset) - overlap)


def _area(boxes: Tensor, offset: int) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0] + offset) * (boxes[..., 3] - boxes[..., 1] + offset)


def _exceeds(first: Tensor, second: Tensor, threshold: float, offset: int) -> Tensor:
    """Return the (len(first), len(second)) bool matrix of IoU > threshold."""
    return box_overlaps(first[:, None], second[None], offset) > threshold


def _suppress_within(exceeds: Tensor) -> Tensor:
    """Run the greedy loop on one block, best box first; returns the (n,) bool mask of survivors."""
    matrix = exceeds.numpy()
    alive = np.ones(matrix.shape[0], dtype=bool)
    for row in range(matrix.shape[0]):
        if alive[row]:
            alive[row + 1 :] &= ~matrix[row, row + 1 :]
    return torch.from_numpy(alive)
