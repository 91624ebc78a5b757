"""Greedy non-maximum suppression in numpy, equal to mmcv's compiled operator.

Boxes are taken in blocks of descending score: a block is compared with itself and with what is left
behind it, so memory stays at block * number of boxes. Boxes that lie apart along x, as those of
different classes or levels do after `batched_nms` has moved them, are never compared.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_BLOCK = 128


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
    columns = np.ascontiguousarray(ranked.numpy().T)
    alive = np.ones(len(ranked), dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for group in _apart(columns, offset) if iou_threshold >= 0 else [np.arange(len(ranked))]:
            alive[group] = _greedy(columns[:, group], columns.dtype.type(iou_threshold), offset)
    return order[torch.from_numpy(np.flatnonzero(alive)).to(order.device)]


def _apart(columns: NDArray[np.floating], offset: int) -> list[NDArray[np.int64]]:
    """Cut ranks 0..N-1 into groups that have no x in common; ranks ascend in each."""
    x1, x2 = columns[0], columns[2]
    by_x = np.argsort(x1, kind="stable")
    reach = np.maximum.accumulate(x2[by_x])
    starts = np.flatnonzero(x1[by_x][1:] > reach[:-1] + offset) + 1
    return [np.sort(group) for group in np.split(by_x, starts)]


def _greedy(
    columns: NDArray[np.floating], threshold: np.floating, offset: int
) -> NDArray[np.bool_]:
    """Run the greedy loop on ranked boxes, columns (4, n); gives the (n,) survivors."""
    x1, y1, x2, y2 = columns
    area = (x2 - x1 + offset) * (y2 - y1 + offset)
    alive = np.ones(len(x1), dtype=bool)
    for start in range(0, len(x1), _BLOCK):
        rows = start + np.flatnonzero(alive[start : start + _BLOCK])
        rest = start + np.flatnonzero(alive[start:])  # begins with the rows themselves
        if not len(rows):
            continue
        width = np.minimum(x2[rows, None], x2[rest])
        width -= np.maximum(x1[rows, None], x1[rest])
        width += offset
        np.maximum(width, 0, out=width)
        height = np.minimum(y2[rows, None], y2[rest])
        height -= np.maximum(y1[rows, None], y1[rest])
        height += offset
        np.maximum(height, 0, out=height)
        overlap = np.multiply(width, height, out=width)
        union = np.add(area[rows, None], area[rest], out=height)
        union -= overlap
        overlap /= union
        exceeds = overlap > threshold
        left = np.ones(len(rest), dtype=bool)
        for row in range(len(rows)):
            if left[row]:
                left[row + 1 :] &= ~exceeds[row, row + 1 :]
        alive[rest] = left
    return alive


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
