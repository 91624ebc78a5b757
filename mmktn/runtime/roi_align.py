"""RoIAlign with average pooling in numpy, equal to mmcv's operator up to rounding.

He et al., Mask R-CNN (2017). The average of bilinear samples on a regular grid is separable: a RoI
costs two small matrix products on the cells that it touches (see `compat.roi_align`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def axis_weights(
    start: float, extent: float, *, bins: int, size: int, sampling_ratio: int
) -> tuple[int, np.ndarray]:
    """Return the averaged interpolation weights of one RoI along one axis.

    A sample at c reads cells floor(c) and floor(c) + 1; c in [-1, 0] reads cell 0, c in [size - 1,
    size] the last cell, a sample outside [-1, size] counts as zero.

    Args:
        start: Where the RoI begins, in cells, half-pixel shift applied.
        extent: Its length in cells.
        bins: Output cells.
        size: Cells of the map.
        sampling_ratio: Samples a bin; 0: as many as cells, rounded up.

    Returns:
        The first cell that the RoI touches, and weights (bins, cells touched).
    """
    width = np.float32(extent) / np.float32(bins)
    samples = sampling_ratio if sampling_ratio > 0 else int(np.ceil(width))
    if samples < 1:
        return 0, np.zeros((bins, 0), np.float32)
    offsets = (np.arange(samples, dtype=np.float32) + np.float32(0.5)) * (width / samples)
    places = np.float32(start) + np.arange(bins, dtype=np.float32)[:, None] * width + offsets
    used = (places >= -1) & (places <= size)
    if not used.any():
        return 0, np.zeros((bins, 0), np.float32)
    places = places.clip(0, size - 1)
    low = places.astype(np.int64)
    share = places - low
    high = np.minimum(low + 1, size - 1)
    first, last = int(low[used].min()), int(high[used].max())
    weights = np.zeros((bins, last - first + 1), np.float32)
    rows = np.broadcast_to(np.arange(bins)[:, None], low.shape)[used]
    np.add.at(weights, (rows, low[used] - first), (1 - share)[used] / np.float32(samples))
    np.add.at(weights, (rows, high[used] - first), share[used] / np.float32(samples))
    return first, weights


def roi_align(
    level: np.ndarray,
    boxes: np.ndarray,
    *,
    size_hw: tuple[int, int],
    scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> np.ndarray:
    """Pool boxes of one map.

    Args:
        level: (h, w, C) float32.
        boxes: (N, 4) xyxy, picture pixels.
        size_hw: Rows and columns of the result.
        scale: Cells a picture pixel.
        sampling_ratio: As in `axis_weights`.
        aligned: Shift by half a cell; else the older rule, with an extent of at least one cell.

    Returns:
        (N, rows, columns, C) float32.
    """
    channels = level.shape[2]
    pooled = np.zeros((len(boxes), *size_hw, channels), np.float32)
    corners = boxes.astype(np.float32) * np.float32(scale) - np.float32(0.5 if aligned else 0)
    extents = corners[:, 2:] - corners[:, :2]
    if not aligned:
        extents = np.maximum(extents, np.float32(1))
    for index, ((x, y), (width, height)) in enumerate(zip(corners[:, :2], extents, strict=True)):
        left, across = axis_weights(
            x, width, bins=size_hw[1], size=level.shape[1], sampling_ratio=sampling_ratio
        )
        top, down = axis_weights(
            y, height, bins=size_hw[0], size=level.shape[0], sampling_ratio=sampling_ratio
        )
        patch = level[top : top + down.shape[1], left : left + across.shape[1]]
        if not patch.size:
            continue
        rows = down @ patch.reshape(len(patch), -1)
        pooled[index] = across @ rows.reshape(size_hw[0], -1, channels)
    return pooled


def pool_boxes(
    levels: Sequence[np.ndarray], boxes: np.ndarray, settings: Mapping[str, Any]
) -> np.ndarray:
    """Pool each box from the level that fits its size (mmdet's SingleRoIExtractor).

    Args:
        levels: Maps (h, w, C) of one picture, finest first.
        boxes: (N, 4) xyxy, network pixels.
        settings: An extractor of the manifest.

    Returns:
        (N, rows, columns, C) float32.
    """
    rows, columns = settings["size"]
    pooled = np.zeros((len(boxes), rows, columns, levels[0].shape[2]), np.float32)
    extent = boxes[:, 2:] - boxes[:, :2]
    side = np.sqrt(extent[:, 0] * extent[:, 1]) / np.float32(settings["finest_scale"])
    wanted = np.floor(np.log2(side + np.float32(1e-6))).clip(0, len(levels) - 1)
    for number, (level, stride) in enumerate(zip(levels, settings["strides"], strict=True)):
        mine = wanted == number if len(levels) > 1 else np.ones(len(boxes), dtype=bool)
        if mine.any():
            pooled[mine] = roi_align(
                level,
                boxes[mine],
                size_hw=(rows, columns),
                scale=1 / stride,
                sampling_ratio=settings["sampling_ratio"],
                aligned=settings["aligned"],
            )
    return pooled
