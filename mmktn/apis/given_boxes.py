"""Boxes of people that a caller gives: an array of finite numbers, inside the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.utils.user_error import UserError


def checked_boxes(
    boxes_xyxy: Any, image_hw: tuple[int, int] | None = None, *, where: str = ""
) -> NDArray[np.float32]:
    """Check boxes, and clip them to their picture.

    Args:
        boxes_xyxy: (N, 4) numbers x1, y1, x2, y2 in pixels; an empty list is N = 0.
        image_hw: Height and width of the picture; None checks the numbers alone.
        where: What the boxes belong to, put before messages.

    Returns:
        (N, 4) float32; inside the picture if its size is given.

    Raises:
        UserError: Not such an array; or a box that is not finite, has no area or shares none with
            the picture. The message has the index of the box.
    """
    start = f"{where}: " if where else ""
    boxes = _as_rows(boxes_xyxy, start)
    for index, box in enumerate(boxes):
        name = f"{start}box {index} {box.tolist()} (x1, y1, x2, y2)"
        x1, y1, x2, y2 = box
        if not np.isfinite(box).all():
            raise UserError(f"{name} has numbers that are not finite")
        if x2 <= x1 or y2 <= y1:
            raise UserError(f"{name} has no area: x2 must exceed x1, and y2 exceed y1")
        if image_hw is None:
            continue
        height, width = image_hw
        if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
            raise UserError(f"{name} lies outside its picture of {width} x {height} pixels")
    if image_hw is not None:
        boxes = np.clip(boxes, 0, np.array([image_hw[1], image_hw[0]] * 2))
    return boxes.astype(np.float32)


def _as_rows(boxes_xyxy: Any, start: str) -> NDArray[np.float64]:
    """Return (N, 4) numbers, or an error that names the first row of another kind."""
    if hasattr(boxes_xyxy, "detach"):
        boxes_xyxy = boxes_xyxy.detach().cpu()
    try:
        rows = list(boxes_xyxy)
    except TypeError as error:
        raise UserError(f"{start}boxes are {boxes_xyxy!r}, not a list of boxes") from error
    table = np.zeros((len(rows), 4))
    for index, row in enumerate(rows):
        try:
            values = np.asarray(row)
            usable = values.shape == (4,) and values.dtype.kind in "iufO"
            if usable and values.dtype.kind == "O":  # integers beyond 64 bits
                usable = all(isinstance(v, int) and not isinstance(v, bool) for v in values)
            if usable:
                table[index] = values.astype(np.float64)
        except (ValueError, TypeError, OverflowError):
            usable = False
        if not usable:
            text = repr(row)
            shown = text if len(text) <= 80 else f"{text[:77]}..."
            raise UserError(f"{start}box {index} is {shown}, not four numbers x1, y1, x2, y2")
    return table
