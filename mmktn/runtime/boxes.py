"""Boxes between the networks, in numpy: anchors, decoding, suppression, as mmdet computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_MAX_LOG_RATIO = abs(np.log(16 / 1000))


def grid_anchors(base: np.ndarray, map_hw: tuple[int, int], stride: Sequence[int]) -> np.ndarray:
    """Put the anchors of one cell on every cell of a level.

    Args:
        base: (A, 4) anchors around the first cell, xyxy.
        map_hw: Rows and columns of the level.
        stride: Pixels a cell, x and y.

    Returns:
        (rows * columns * A, 4) float32, row by row.
    """
    y, x = np.meshgrid(
        np.arange(map_hw[0], dtype=np.float32) * stride[1],
        np.arange(map_hw[1], dtype=np.float32) * stride[0],
        indexing="ij",
    )
    shift = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4)
    return (shift + base[None]).reshape(-1, 4).astype(np.float32)


def decode_deltas(
    boxes: np.ndarray, deltas: np.ndarray, coder: Mapping[str, Any], limit_hw: tuple[int, int]
) -> np.ndarray:
    """Apply what a regressor says to boxes, and clip them to the picture.

    Args:
        boxes: (N, 4) xyxy.
        deltas: (N, 4) shifts relative to the size, logarithms of the factors of the size.
        coder: `means` and `stds` (4,).
        limit_hw: Height and width of the picture.

    Returns:
        (N, 4) float32.
    """
    stds, means = (np.asarray(coder[key], np.float32) for key in ("stds", "means"))
    deltas = deltas * stds + means
    centre, size = (boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5), boxes[:, 2:] - boxes[:, :2]
    bound = np.float32(_MAX_LOG_RATIO)
    moved = centre + size * deltas[:, :2]
    half = size * np.exp(deltas[:, 2:].clip(-bound, bound)) * np.float32(0.5)
    found = np.concatenate([moved - half, moved + half], axis=1)
    height, width = limit_hw
    return found.clip(0, np.asarray([width, height, width, height], np.float32))


def suppress(boxes: np.ndarray, scores: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Suppress boxes greedily that overlap a better one.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,).
        iou_threshold: A box is dropped when its overlap with a better kept one is larger.

    Returns:
        Indices of the kept boxes, best first; among equal scores the lower index first.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = boxes[order]
    areas = (ranked[:, 2] - ranked[:, 0]) * (ranked[:, 3] - ranked[:, 1])
    alive = np.ones(len(order), dtype=bool)
    for row in range(len(order)):
        if not alive[row]:
            continue
        rest = ranked[row + 1 :]
        corner = np.maximum(ranked[row, :2], rest[:, :2])
        extent = (np.minimum(ranked[row, 2:], rest[:, 2:]) - corner).clip(0)
        shared = extent[:, 0] * extent[:, 1]
        union = areas[row] + areas[row + 1 :] - shared
        # Boxes without area overlap nothing.
        alive[row + 1 :] &= ~(shared > np.float32(iou_threshold) * union)
    return order[alive]


def suppress_by_group(
    boxes: np.ndarray, scores: np.ndarray, groups: np.ndarray, iou_threshold: float
) -> np.ndarray:
    """Return the suppression within each group (a level, a class), by moving the groups apart.

    Args:
        boxes: (N, 4) xyxy, not negative.
        scores: (N,).
        groups: (N,) number of the group of each box.
        iou_threshold: As in `suppress`.

    Returns:
        As `suppress`.
    """
    if not len(boxes):
        return np.zeros(0, np.int64)
    apart = groups.astype(np.float32) * (boxes.max() + np.float32(1))
    return suppress(boxes + apart[:, None], scores, iou_threshold)


def proposals(
    logits: Sequence[np.ndarray],
    deltas: Sequence[np.ndarray],
    settings: Mapping[str, Any],
    limit_hw: tuple[int, int],
) -> np.ndarray:
    """Return the boxes that the region proposal network offers in one picture.

    Args:
        logits: A level each, (rows, columns, A).
        deltas: A level each, (rows, columns, 4 A).
        settings: `rpn` of the manifest.
        limit_hw: Height and width of the picture without padding, network pixels.

    Returns:
        (P, 4) float32 xyxy, best first.
    """
    found, scores, levels = [], [], []
    for level, (logit, delta) in enumerate(zip(logits, deltas, strict=True)):
        anchors = grid_anchors(
            np.asarray(settings["anchors"][level], np.float32),
            (logit.shape[0], logit.shape[1]),
            settings["strides"][level],
        )
        score = _sigmoid(logit.reshape(-1))
        kept: np.ndarray = np.arange(len(score))
        if 0 < settings["nms_pre"] < len(score):
            kept = np.argsort(-score, kind="stable")[: settings["nms_pre"]]
        found.append(decode_deltas(anchors[kept], delta.reshape(-1, 4)[kept], settings, limit_hw))
        scores.append(score[kept])
        levels.append(np.full(len(kept), level))
    boxes, score, group = (np.concatenate(each) for each in (found, scores, levels))
    if settings["min_size"] >= 0:
        fine = (boxes[:, 2:] - boxes[:, :2] > settings["min_size"]).all(axis=1)
        boxes, score, group = boxes[fine], score[fine], group[fine]
    kept = suppress_by_group(boxes, score, group, settings["iou"])
    return boxes[kept[: settings["max_per_img"]]]


def detections(
    rois: np.ndarray,
    logits: np.ndarray,
    deltas: np.ndarray,
    settings: Mapping[str, Any],
    limit_hw: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the final boxes of one picture.

    Args:
        rois: (P, 4) proposals.
        logits: (P, C + 1), the background last.
        deltas: (P, 4 C), or (P, 4) for all classes.
        settings: `boxes` of the manifest.
        limit_hw: As in `proposals`.

    Returns:
        Boxes (N, 4), scores (N,) and labels (N,), best first.
    """
    classes = logits.shape[1] - 1
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores = (odds / odds.sum(axis=1, keepdims=True))[:, :classes].reshape(-1)
    per_roi = deltas.shape[1] // 4
    boxes = decode_deltas(
        np.repeat(rois, per_roi, axis=0), deltas.reshape(-1, 4), settings, limit_hw
    )
    boxes = np.repeat(boxes, classes // per_roi, axis=0)
    labels = np.tile(np.arange(classes), len(rois))
    sure = scores > settings["score_thr"]
    boxes, scores, labels = boxes[sure], scores[sure], labels[sure]
    kept = suppress_by_group(boxes, scores, labels, settings["iou"])
    if settings["max_per_img"] > 0:
        kept = kept[: settings["max_per_img"]]
    return boxes[kept], scores[kept], labels[kept]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    """Without overflow on either side."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))
