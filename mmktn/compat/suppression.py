"""Soft NMS and grouping NMS in plain numpy, equal to mmcv's compiled operators.

Both are sequential: a box is judged after all better ones. They run on the CPU, as mmcv's do.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

NAIVE, LINEAR, GAUSSIAN = 0, 1, 2


def soft_nms(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    *,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """Lower the scores of boxes that overlap better ones (Bodla et al., Soft-NMS, 2017).

    Args:
        boxes: (N, 4) x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: From this IoU on, naive drops a box and linear scales its score by 1 - IoU.
        sigma: Gaussian scales every score by exp(-IoU^2 / sigma).
        min_score: A box whose score falls below it, after a better box was taken, is dropped.
        method: `NAIVE`, `LINEAR` or `GAUSSIAN`.
        offset: 0, or 1 where x2, y2 are the last pixel's index.

    Returns:
        Indices (K,) in the order in which the boxes were taken, and their scores (K,) at that time.
    """
    left = np.arange(len(boxes))
    scores = scores.copy()
    taken = 0
    while taken < len(left):
        best = taken + _first_best(scores[left[taken:]])
        left[taken], left[best] = left[best], left[taken]
        rest = left[taken + 1 :]
        iou = _iou(boxes[left[taken]], boxes[rest], offset)
        if method == NAIVE:
            factor = np.where(iou >= iou_threshold, 0, 1)
        elif method == LINEAR:
            factor = np.where(iou >= iou_threshold, 1 - iou, 1)
        else:
            factor = np.exp(-(iou * iou) / np.asarray(sigma, iou.dtype))
        scores[rest] *= factor.astype(scores.dtype)
        taken += 1
        left = np.concatenate([left[:taken], _drop(rest, scores[rest] < min_score)])
    return left, scores[left]


def nms_match(
    dets: NDArray[np.floating], order: NDArray[np.int64], iou_threshold: float
) -> list[list[int]]:
    """Group each kept box with the boxes that it suppresses.

    Args:
        dets: (N, 5) x1, y1, x2, y2, score.
        order: (N,) indices by descending score.
        iou_threshold: A box is suppressed from this IoU on.

    Returns:
        One list of indices for each kept box, itself first, the others by descending score.
    """
    left, groups = order, []
    while len(left):
        best, rest = left[0], left[1:]
        near = _iou(dets[best, :4], dets[rest, :4], 0) >= iou_threshold
        groups.append([int(best), *rest[near].tolist()])
        left = rest[~near]
    return groups


def _first_best(scores: NDArray[np.floating]) -> int:
    """Find the first highest score, comparing as mmcv does.

    Gaussian makes a score NaN where two empty boxes meet. NaN is not higher than anything, nor is
    anything higher than it.
    """
    if np.isnan(scores[0]):
        return 0
    return int(np.argmax(np.where(np.isnan(scores), -np.inf, scores)))


def _iou(box: NDArray[Any], boxes: NDArray[Any], offset: int) -> NDArray[Any]:
    """Return the IoU of one (4,) box with (N, 4) boxes; NaN where both are empty."""
    extent = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]) + offset
    overlap = extent.clip(min=0).prod(1)
    union = (box[2:] - box[:2] + offset).prod() + (boxes[:, 2:] - boxes[:, :2] + offset).prod(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return overlap / (union - overlap)


def _drop(indices: NDArray[np.int64], dropped: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Remove the marked entries in mmcv's way, which decides who wins among equal scores.

    mmcv puts the last box into the gap of a dropped one, so the boxes behind the new end fill the
    gaps before it in reverse order.
    """
    count = len(indices) - int(dropped.sum())
    kept = indices[:count].copy()
    kept[dropped[:count]] = indices[count:][~dropped[count:]][::-1]
    return kept
