"""Marks on a picture: boxes with scores, iso-contours of U and V, text. numpy and OpenCV only.

Every function takes and returns (H, W, 3) uint8 RGB and leaves its input unchanged;
`write_text_on` alone works in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np

from mmktn.formats.iuv_canvas import ChartCanvas
from mmktn.visualization.colormaps import colormap_table

Colour = tuple[int, int, int]
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def mark_scale(image_hw: tuple[int, int]) -> float:
    """Size of lines and letters for an image: 1 at a short side of 400 px, never below 0.35."""
    return max(min(image_hw) / 400.0, 0.35)


def write_text_on(
    drawn: np.ndarray,
    text: str,
    *,
    at_xy: tuple[int, int],
    colour: Colour = (255, 255, 255),
    background: Colour | None = (0, 0, 0),
    scale: float = 0.45,
) -> None:
    """Write one line with its top-left corner at a pixel; kept inside the picture where it fits.

    Args:
        drawn: Picture; changed.
        text: ASCII text (OpenCV's stroke font knows no other).
        at_xy: Top-left corner of the text's box.
        colour: Of the letters.
        background: Of the box behind them; None for none.
        scale: OpenCV font scale.
    """
    (width, height), base = cv2.getTextSize(text, _FONT, scale, 1)
    box_h, box_w = height + base + 2, width + 4
    x = int(np.clip(at_xy[0], 0, max(drawn.shape[1] - box_w, 0)))
    y = int(np.clip(at_xy[1], 0, max(drawn.shape[0] - box_h, 0)))
    if background is not None:
        drawn[y : y + box_h, x : x + box_w] = background
    cv2.putText(drawn, text, (x + 2, y + height + 1), _FONT, scale, colour, 1, cv2.LINE_AA)


def draw_boxes(
    image: np.ndarray,
    boxes_xyxy: np.ndarray,
    *,
    texts: Sequence[str] | None = None,
    colour: Colour = (80, 255, 80),
) -> np.ndarray:
    """Draw box outlines, each with a line of text above its top-left corner.

    Args:
        image: Picture.
        boxes_xyxy: (N, 4) boxes in image pixels.
        texts: One per box (a score, say), or None.
        colour: Of the outlines.

    Raises:
        ValueError: Another number of texts than boxes.
    """
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    if texts is not None and len(texts) != len(boxes):
        raise ValueError(f"{len(texts)} texts for {len(boxes)} boxes")
    drawn = image.copy()
    scale = mark_scale((image.shape[0], image.shape[1]))
    thickness = max(round(2 * scale), 1)
    for box in boxes:
        x0, y0, x1, y1 = (int(value) for value in box)
        cv2.rectangle(drawn, (x0, y0), (x1, y1), colour, thickness)
    for box, text in zip(boxes, texts or [], strict=False):
        font = 0.5 * scale
        height = cv2.getTextSize(text, _FONT, font, 1)[0][1]
        write_text_on(
            drawn, text, at_xy=(int(box[0]), int(box[1]) - height - 6), colour=colour, scale=font
        )
    return drawn


def draw_uv_contours(
    image: np.ndarray,
    canvas: ChartCanvas,
    *,
    field: Literal["u", "v"] = "u",
    levels: int = 10,
    colormap: str = "jet",
) -> np.ndarray:
    """Draw lines of equal U or V on every chart ("dp_contour").

    A pixel is on a line where its level `floor(value * levels)` differs from that of its right or
    lower neighbour on the same chart of the same person; its colour is that of the higher level.

    Args:
        image: Picture of the canvas's size.
        canvas: Painted charts.
        field: 'u' or 'v'.
        levels: Number of steps in [0, 1].
        colormap: OpenCV colour map of the levels.

    Raises:
        ValueError: Image and canvas differ in size.
    """
    if image.shape[:2] != canvas.image_hw:
        raise ValueError(f"image is {image.shape[:2]} but the charts are {canvas.image_hw} (H, W)")
    values = canvas.iuv[1 if field == "u" else 2].astype(np.int32)
    level = np.minimum(values * levels // 255, levels - 1)
    surface = canvas.labels.astype(np.int64) + 25 * canvas.instances.astype(np.int64)
    highest = np.full(level.shape, -1, np.int32)
    for axis in (0, 1):
        a = tuple(slice(None, -1) if k == axis else slice(None) for k in (0, 1))
        b = tuple(slice(1, None) if k == axis else slice(None) for k in (0, 1))
        line = (level[a] != level[b]) & (surface[a] == surface[b]) & canvas.mask[a]
        higher = np.where(line, np.maximum(level[a], level[b]), -1)
        highest[a] = np.maximum(highest[a], higher)
    drawn = image.copy()
    on_line = highest >= 0
    drawn[on_line] = colormap_table(colormap)[highest[on_line] * 255 // levels]
    return drawn
