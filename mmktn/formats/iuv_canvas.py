"""Several people's chart results on one image-sized canvas: who is on top where they overlap.

The rule: people are painted in ascending score, so the highest score lies on top; equal scores keep
the detector's order, the first one on top. A pixel belongs to one person as a whole. (Detectron1's
demo merged I, U and V one channel at a time, which mixes people.) Instance ids are 1-based and
follow the input order, so the first person is visible too (DensePose#127).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ChartCanvas:
    """I, U, V and person of every pixel of an image.

    Attributes:
        iuv: (3, H, W) uint8: chart 0..24, and U, V as truncated bytes 0..255.
        instances: (H, W) int32: 1-based person, 0 for none.
    """

    iuv: np.ndarray
    instances: np.ndarray

    @property
    def image_hw(self) -> tuple[int, int]:
        """Image size (H, W)."""
        return self.iuv.shape[1], self.iuv.shape[2]

    @property
    def labels(self) -> np.ndarray:
        """(H, W) uint8 chart of every pixel."""
        return self.iuv[0]

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool: a person is here."""
        return self.iuv[0] > 0

    @property
    def uv(self) -> np.ndarray:
        """(2, H, W) float32 in [0, 1], from the bytes."""
        return self.iuv[1:].astype(np.float32) / 255.0


def painting_order(scores: Sequence[float] | np.ndarray | None, num_people: int) -> np.ndarray:
    """Order in which people are painted, the topmost last.

    Args:
        scores: One score per person, or None for input order from top to bottom.
        num_people: How many people there are.

    Returns:
        (N,) int64 indices: ascending score, the earlier of equals last.

    Raises:
        ValueError: Another number of scores than people, or a score that is not a number.
    """
    if scores is None:
        return np.arange(num_people, dtype=np.int64)[::-1]
    values = np.asarray(scores, dtype=np.float64).reshape(-1)
    if len(values) != num_people:
        raise ValueError(f"{len(values)} scores for {num_people} people")
    if np.isnan(values).any():
        raise ValueError(f"score of person {int(np.isnan(values).argmax())} is NaN")
    return np.argsort(-values, kind="stable")[::-1]


def paint_people(
    image_hw: tuple[int, int],
    boxes_xyxy: np.ndarray,
    *,
    iuvs: Sequence[np.ndarray],
    scores: Sequence[float] | np.ndarray | None = None,
) -> ChartCanvas:
    """Paste results in the result frame of their boxes onto one canvas.

    Args:
        image_hw: Image size in pixels.
        boxes_xyxy: (N, 4) boxes, image pixels.
        iuvs: N arrays (3, h, w) uint8; the top-left pixel goes to (int(x1), int(y1)) and what
            leaves the image is cut off.
        scores: One per person; decides who is on top.

    Raises:
        ValueError: Counts that differ, a map that is not (3, h, w) uint8, or one whose size is not
            that of its box (1 px allowed).
    """
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    if len(boxes) != len(iuvs):
        raise ValueError(f"{len(boxes)} boxes for {len(iuvs)} chart results")
    height, width = image_hw
    canvas = np.zeros((3, height, width), np.uint8)
    instances = np.zeros((height, width), np.int32)
    for index in painting_order(scores, len(boxes)):
        iuv = iuvs[index]
        _check_result(int(index), iuv, boxes[index])
        x, y = int(boxes[index, 0]), int(boxes[index, 1])
        x0, y0 = max(x, 0), max(y, 0)
        x1, y1 = min(x + iuv.shape[2], width), min(y + iuv.shape[1], height)
        if x1 <= x0 or y1 <= y0:
            continue
        part = iuv[:, y0 - y : y1 - y, x0 - x : x1 - x]
        person = part[0] > 0
        np.copyto(canvas[:, y0:y1, x0:x1], part, where=person)
        np.copyto(instances[y0:y1, x0:x1], index + 1, where=person)
    return ChartCanvas(canvas, instances)


def _check_result(index: int, iuv: np.ndarray, box: np.ndarray) -> None:
    if iuv.ndim != 3 or iuv.shape[0] != 3 or iuv.dtype != np.uint8:
        raise ValueError(
            f"chart result {index} is {iuv.shape} {iuv.dtype}; expected (3, h, w) uint8"
        )
    box_hw = (max(int(box[3] - box[1]), 1), max(int(box[2] - box[0]), 1))
    # One pixel of slack: float32 and float64 differences of the same box may truncate differently.
    if abs(iuv.shape[1] - box_hw[0]) > 1 or abs(iuv.shape[2] - box_hw[1]) > 1:
        raise ValueError(f"chart result {index} is {iuv.shape[1:]} but its box is {box_hw} (h, w)")
