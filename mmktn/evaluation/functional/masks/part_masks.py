"""The 14 part masks of an annotation, merged and resized to its box.

Source: official evaluator, which resizes with ``scipy.ndimage.zoom`` (order 1); equal to it to the
last rounding, and faster.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.formats.masks import NUM_PARTS, PartMasks, check_part_masks
from mmktn.utils.user_error import UserError

NUM_PART_MASKS = NUM_PARTS


def merged_part_masks(part_masks: Any, where: str) -> NDArray[np.uint8]:
    """Return the union of the first 14 part masks.

    Args:
        part_masks: `PartMasks`, or what `check_part_masks` makes them of.
        where: Annotation, for the message.

    Returns:
        (256, 256) uint8 0 or 1, columns contiguous.

    Raises:
        UserError: An RLE cannot be decoded or is neither 256 x 256 nor (UltraPose) 512 x 512.
    """
    return checked_part_masks(part_masks, where).union()


def merged_part_labels(part_masks: Any, where: str) -> NDArray[np.uint8]:
    """Label map of the first 14 part masks; a later part lies on top of an earlier one.

    Args:
        part_masks: As in `merged_part_masks`.
        where: Annotation, for the message.

    Returns:
        (256, 256) uint8, 0 background, else the part 1..14.

    Raises:
        UserError: An RLE cannot be decoded or is of another size.
    """
    return checked_part_masks(part_masks, where).merged()


def checked_part_masks(part_masks: Any, where: str) -> PartMasks:
    """Check part masks, unless that was done.

    Args:
        part_masks: As in `merged_part_masks`.
        where: Annotation, for the message.

    Returns:
        The masks.

    Raises:
        UserError: One cannot be decoded.
    """
    if isinstance(part_masks, PartMasks):
        return part_masks
    try:
        return check_part_masks(part_masks)
    except UserError as error:
        raise UserError(f"{where}, field dp_masks: {error}") from error


def resize_part_mask(
    mask: NDArray[np.uint8], height: int, width: int, *, drops_last_line: bool = True
) -> NDArray[np.bool_]:
    """Resize a binary mask linearly with aligned corners and cut at one half.

    Equal, to the last rounding, to ``scipy.ndimage.zoom(mask, ..., order=1) > 0.5``: a last row
    or column whose position rounds to beyond the grid becomes empty (``drops_last_line``).

    Args:
        mask: (256, 256) uint8 0 or 1.
        height: Rows wanted.
        width: Columns wanted.
        drops_last_line: Keep that behaviour; otherwise the last line is the grid's.

    Returns:
        (height, width) bool.
    """
    rows, row_share, row_kept = _sample_positions(height, mask.shape[0], drops_last_line)
    cols, col_share, col_kept = _sample_positions(width, mask.shape[1], drops_last_line)
    next_rows = np.minimum(rows + 1, mask.shape[0] - 1)
    next_cols = np.minimum(cols + 1, mask.shape[1] - 1)
    # Columns first: decoded masks lie in memory column by column.
    turned = mask.T
    # One bit per corner of the cell: 1 upper left, 2 upper right, 4 lower left, 8 lower right.
    lines = turned.take(cols, axis=0) | turned.take(next_cols, axis=0) << 1
    cell = np.ascontiguousarray((lines.take(rows, axis=1) | lines.take(next_rows, axis=1) << 2).T)
    result = cell == 15
    # Only cells whose four corners differ need the weights; scipy's order of products and sums.
    mixed = np.flatnonzero((cell - 1).reshape(-1) < 14)
    r, c = np.divmod(mixed, width)
    code = cell.reshape(-1)[mixed]
    low_r, low_c = 1.0 - row_share[r], 1.0 - col_share[c]
    high_r, high_c = 1.0 - low_r, 1.0 - low_c
    value = (code & 1) * low_r * low_c
    value += (code >> 1 & 1) * low_r * high_c
    value += (code >> 2 & 1) * high_r * low_c
    value += (code >> 3 & 1) * high_r * high_c
    result.reshape(-1)[mixed] = value > 0.5
    if not row_kept:
        result[-1] = False
    if not col_kept:
        result[:, -1] = False
    return result


def _sample_positions(
    count: int, size: int, drops_last_line: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64], bool]:
    """Cell and share of its next neighbour per output line, and whether the last line is kept."""
    step = (size - 1) / (count - 1) if count > 1 else 1.0
    at = np.arange(count, dtype=np.float64) * step
    kept = not drops_last_line or bool(at[-1] <= size - 1)
    at[-1] = min(at[-1], size - 1)
    cell = at.astype(np.int64)
    return cell, at - cell, kept
