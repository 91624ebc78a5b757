"""Maps of a person's parts on the 256 x 256 grid over the box, the resolution of the file format.

As JSON a map is `[value, length, value, length, ...]` row by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.points import GRID
from mmktn.formats.shown import shown
from mmktn.utils.user_error import UserError

Box = tuple[float, float, float, float]


def encode_runs(grid: NDArray[np.integer]) -> list[int]:
    """Return a map as runs."""
    flat = np.asarray(grid).reshape(-1)
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = np.diff(np.append(starts, len(flat)))
    return [int(n) for n in np.stack([flat[starts], lengths], axis=1).reshape(-1)]


def decode_runs(runs: Any, num_parts: int) -> NDArray[np.uint8]:
    """Return the runs as a map.

    Args:
        runs: What a page sent.
        num_parts: Largest value.

    Returns:
        (256, 256) uint8.

    Raises:
        UserError: No such list, a value of no part, or not 65536 cells.
    """
    cells = GRID * GRID
    if not isinstance(runs, list) or len(runs) % 2 or len(runs) > 2 * cells:
        raise UserError(f"parts: not a list of values and lengths but {shown(runs)}")
    if not all(type(number) is int for number in runs):
        raise UserError("parts: values and lengths are whole numbers")
    values, lengths = runs[0::2], runs[1::2]
    if any(not 0 <= value <= num_parts for value in values):
        raise UserError(f"parts: values are 0 to {num_parts}")
    if any(not 0 < length <= cells for length in lengths) or sum(lengths) != cells:
        raise UserError(f"parts: the lengths do not add up to {cells}")
    return np.repeat(np.array(values, np.uint8), lengths).reshape(GRID, GRID)


def resample(grid: NDArray[np.uint8], old: Box, new: Box) -> NDArray[np.uint8]:
    """Move a map to a changed box; what the old box did not cover is background."""
    across, down = GRID / old[2], GRID / old[3]
    # The old map is an image, in whose pixels the new box has this place.
    place = ((new[0] - old[0]) * across, (new[1] - old[1]) * down, new[2] * across, new[3] * down)
    return from_image(grid, place)


def from_image(labels: NDArray[np.integer], box: Box) -> NDArray[np.uint8]:
    """Make a map of labels (H, W) of the image: each cell takes the pixel of its centre."""
    centres = (np.arange(GRID) + 0.5) / GRID
    columns = np.floor(box[0] + centres * box[2]).astype(np.int64)
    rows = np.floor(box[1] + centres * box[3]).astype(np.int64)
    height, width = labels.shape
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[None]
    found = labels[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)]
    return np.where(inside, found, 0).astype(np.uint8)


def to_image(grid: NDArray[np.uint8], box: Box, image_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Draw the outline (H, W) of a person: pixels whose centre lies in a cell of a part."""
    height, width = image_hw
    left, top = max(int(np.floor(box[0])), 0), max(int(np.floor(box[1])), 0)
    right, bottom = int(np.ceil(box[0] + box[2])), int(np.ceil(box[1] + box[3]))
    columns = np.arange(left, min(right, width))
    rows = np.arange(top, min(bottom, height))
    x = np.floor((columns + 0.5 - box[0]) * GRID / box[2]).astype(np.int64)
    y = np.floor((rows + 0.5 - box[1]) * GRID / box[3]).astype(np.int64)
    inside = ((y >= 0) & (y < GRID))[:, None] & ((x >= 0) & (x < GRID))[None]
    cells = grid[np.clip(y, 0, GRID - 1)][:, np.clip(x, 0, GRID - 1)] > 0
    mask = np.zeros(image_hw, bool)
    mask[top : top + len(rows), left : left + len(columns)] = cells & inside
    return mask


def checked_box(value: Any, size_wh: tuple[int, int]) -> Box:
    """Return a box `[x, y, w, h]` in pixels, cut at the image's border.

    Raises:
        UserError: Not four finite numbers, or less than two pixels wide or high in the image.
    """
    fine = isinstance(value, list) and len(value) == 4
    if not fine or not all(type(n) in (int, float) and abs(n) < 1e9 for n in value):
        raise UserError(f"box: not [x, y, w, h] in pixels but {shown(value)}")
    x, y, w, h = map(float, value)
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + w, float(size_wh[0])), min(y + h, float(size_wh[1]))
    if right - left < 2 or bottom - top < 2:
        raise UserError(f"box: {shown(value)} shares less than 2 x 2 pixels with the picture")
    return (round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2))
