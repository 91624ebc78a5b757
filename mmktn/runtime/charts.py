"""Raw maps of a box -> chart, U and V of every pixel, in numpy: `models.postprocess` without torch.

Channel by channel, with the best one so far kept: memory does not grow with the 25 charts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from mmktn.formats.chart_arrays import ChartArrays

_WHOLE = (0.0, 0.0, 1.0, 1.0)
_BEST_CHANNEL = 0.5


class _Grid:
    """Bilinear positions of h x w pixels over maps of rows x columns cells (half-pixel centres).

    Args:
        size_hw: Height and width in pixels.
        cells_hw: Rows and columns of the maps.
        span: x1, y1, x2, y2 of the pixels in shares of the maps; beyond the edges a map goes on
            with its border cells.
    """

    def __init__(
        self, size_hw: tuple[int, int], cells_hw: tuple[int, int], span: tuple[float, ...]
    ) -> None:
        self.size_hw = size_hw
        self.whole = span == _WHOLE
        x1, y1, x2, y2 = span
        self.rows = _axis(size_hw[0], cells_hw[0], y1, y2)
        self.columns = _axis(size_hw[1], cells_hw[1], x1, x2)
        if not self.whole:
            self._down = _matrix(*self.rows, cells_hw[0])
            self._across = _matrix(*self.columns, cells_hw[1]).T

    def resize(self, channel: np.ndarray) -> np.ndarray:
        """Return one channel (rows, columns) on all pixels (h, w)."""
        if self.whole:
            height, width = self.size_hw
            return cv2.resize(channel, (width, height), interpolation=cv2.INTER_LINEAR)
        return self._down @ channel @ self._across

    def read(self, maps: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Read channel `labels` (h, w) of maps (C, rows, columns); 0 where the label is 0."""
        found = np.zeros(labels.shape, np.float32)
        y, x = np.nonzero(labels)
        channel = labels[y, x]
        (top, bottom, down), (left, right, across) = (
            [part[index] for part in axis] for axis, index in ((self.rows, y), (self.columns, x))
        )
        upper = _lerp(maps[channel, top, left], maps[channel, top, right], across)
        lower = _lerp(maps[channel, bottom, left], maps[channel, bottom, right], across)
        found[y, x] = _lerp(upper, lower, down)
        return found


def decode_charts(
    maps: Mapping[str, np.ndarray],
    box_xyxy: np.ndarray,
    settings: Mapping[str, Any],
    window_xyxy: np.ndarray | None = None,
) -> ChartArrays:
    """Decode the maps of one box.

    Args:
        maps: Name -> (C, rows, columns) float32: `fine_segm`, `u`, `v` and the mask map.
        box_xyxy: (4,) float32 box in the pixels the result shall have.
        settings: `charts` of the manifest.
        window_xyxy: (4,) what the maps cover, in the same pixels; None: the box.

    Returns:
        The result, of the integer size of the box.
    """
    x1, y1, x2, y2 = box_xyxy
    size_hw = (max(int(y2 - y1), 1), max(int(x2 - x1), 1))
    span = _WHOLE if window_xyxy is None else _share(box_xyxy, window_xyxy)
    grids = {
        shape: _Grid(size_hw, shape, span)
        for shape in {(item.shape[1], item.shape[2]) for item in maps.values()}
    }

    def grid_of(name: str) -> _Grid:
        return grids[maps[name].shape[1], maps[name].shape[2]]

    fine = (grid_of("fine_segm").resize(channel) for channel in maps["fine_segm"])
    labels, best, total = _winner(fine, with_total=settings["confidence"])
    source, threshold = settings["mask_source"], settings["mask_threshold"]
    if threshold >= 0 and source != "fine_segm":
        mask = [grid_of(source).resize(channel) for channel in maps[source]]
        if threshold == _BEST_CHANNEL:
            labels *= _winner(iter(mask))[0] > 0
        elif threshold < 1:
            labels *= _softmax_of_second(mask) > np.float32(threshold)
        else:
            labels[:] = 0
    uv = np.stack([grid_of(name).read(maps[name], labels) for name in "uv"])
    fields = {}
    if settings["confidence"]:
        fields["chart_confidence"] = np.exp(best - total) * (labels > 0)
    return ChartArrays(labels, uv, fields=fields, xy=(int(x1), int(y1)))


def decode_keypoints(maps: np.ndarray, box_xyxy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the best pixel of each heat-map of a box (`models.postprocess.KeypointDecoder`).

    Args:
        maps: (K, rows, columns) logits.
        box_xyxy: (4,) what the maps cover, image pixels.

    Returns:
        Keypoints (K, 2) as pixel indices of the image, and scores (K,).
    """
    extent = np.maximum(box_xyxy[2:] - box_xyxy[:2], np.float32(1))
    width, height = (math.ceil(side) for side in extent)
    points, scores = np.zeros((len(maps), 2), np.float32), np.zeros(len(maps), np.float32)
    for index, channel in enumerate(maps):
        tall = cv2.resize(channel, (width, height), interpolation=cv2.INTER_CUBIC)
        y, x = divmod(int(tall.argmax()), width)
        peak = channel.max()
        mass = peak + np.log(np.exp(channel - peak).sum())
        scores[index] = np.exp(min(tall[y, x] - mass, 0))
        share = (np.asarray([x, y]) + np.float32(0.5)) / np.asarray([width, height], np.float32)
        points[index] = box_xyxy[:2] + share * extent - np.float32(0.5)
    return points, scores


def _winner(
    channels: Any, *, with_total: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Index (uint8) and value of the first best channel, and, if wanted, the log of the sum."""
    best = next(channels).copy()
    labels, total = np.zeros(best.shape, np.uint8), best.copy()
    for number, channel in enumerate(channels, start=1):
        better = channel > best
        labels[better] = number
        np.maximum(best, channel, out=best)
        if with_total:
            total = np.logaddexp(total, channel)
    return labels, best, total


def _softmax_of_second(pair: list[np.ndarray]) -> np.ndarray:
    """Compute the softmax of channel 1 of two."""
    top = np.maximum(pair[0], pair[1])
    first, second = np.exp(pair[0] - top), np.exp(pair[1] - top)
    return second / (first + second)


def _axis(
    size: int, cells: int, start: float, stop: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower cell, upper cell and share of the upper one for each pixel."""
    pixels = np.arange(size, dtype=np.float32)
    step, first = np.float32((stop - start) * cells / size), np.float32(start * cells - 0.5)
    position = ((pixels + np.float32(0.5)) * step + first).clip(0)
    low = np.minimum(position.astype(np.int64), cells - 1)
    return low, np.minimum(low + 1, cells - 1), (position - low).clip(max=1).astype(np.float32)


def _matrix(low: np.ndarray, high: np.ndarray, share: np.ndarray, cells: int) -> np.ndarray:
    """Return (pixels, cells) weights of an axis."""
    weights = np.zeros((len(low), cells), np.float32)
    rows = np.arange(len(low))
    np.add.at(weights, (rows, low), 1 - share)
    np.add.at(weights, (rows, high), share)
    return weights


def _share(box_xyxy: np.ndarray, window_xyxy: np.ndarray) -> tuple[float, ...]:
    """Return the box in shares of the window."""
    box, window = box_xyxy.astype(np.float64), window_xyxy.astype(np.float64)
    if (box == window).all():
        return _WHOLE
    corner, extent = np.tile(window[:2], 2), np.tile(window[2:] - window[:2], 2)
    return tuple(((box - corner) / extent).tolist())


def _lerp(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    return first + share * (second - first)
