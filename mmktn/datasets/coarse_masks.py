"""Run-length codes of dp_masks: checked decoding and merging into one coarse part map.

Source: COCO run-length coding and the DensePose-COCO field `dp_masks` (methods 15). pycocotools
does not check that the runs of a code add up to the size of its mask (2.0.11 then returns
uninitialised memory), so the runs are unpacked here and checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

MASK_SIDE = 256
NUM_PARTS = 14


def rle_runs(rle: Any) -> np.ndarray:
    """Unpack the run lengths of a COCO run-length code.

    Args:
        rle: `{"size": [h, w], "counts": text or list}`; the text is COCO's compressed form.

    Returns:
        (R,) int64 lengths of alternating runs of 0 and 1 in column-major order, sum h * w.

    Raises:
        ValueError: Not such a dict, or the runs do not add up to the mask.
    """
    if not isinstance(rle, dict) or "size" not in rle or "counts" not in rle:
        raise ValueError(f'not {{"size": [h, w], "counts": ...}} but {_shortened(rle)}')
    size, counts = rle["size"], rle["counts"]
    if len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size):
        raise ValueError(f"size {_shortened(size)} is not [h, w]")
    if isinstance(counts, str | bytes):
        runs = _uncompressed(counts.encode() if isinstance(counts, str) else counts)
    elif isinstance(counts, list) and all(isinstance(run, int) for run in counts):
        runs = np.array(counts, dtype=np.int64)
    else:
        raise ValueError(
            f"counts is neither text nor a list of whole numbers: {_shortened(counts)}"
        )
    if (runs < 0).any():
        raise ValueError("counts does not decode: a run has negative length")
    if runs.sum() != size[0] * size[1]:
        raise ValueError(
            f"counts does not decode: runs cover {runs.sum()} cells, the mask has "
            f"{size[0]} x {size[1]} = {size[0] * size[1]}"
        )
    return runs


def merge_dp_masks(dp_masks: Sequence[Any]) -> np.ndarray:
    """Merge the part masks of a person; where masks overlap the later part wins (methods 15).

    Args:
        dp_masks: 14 run-length codes of 256 x 256 masks over the box, or `[]` for an absent part.

    Returns:
        (256, 256) uint8, 0 background, 1..14 parts.

    Raises:
        ValueError: Another number of parts, a code that does not decode or has another size; the
            text names the part.
    """
    if not isinstance(dp_masks, list | tuple) or len(dp_masks) != NUM_PARTS:
        length = len(dp_masks) if isinstance(dp_masks, list | tuple) else _shortened(dp_masks)
        raise ValueError(f"{length} entries, not {NUM_PARTS}")
    columns = np.zeros(MASK_SIDE * MASK_SIDE, dtype=np.uint8)
    for part, rle in enumerate(dp_masks, start=1):
        if isinstance(rle, list) and not rle:
            continue
        try:
            runs = rle_runs(rle)
        except (ValueError, TypeError) as error:
            raise ValueError(f"part {part}: {error}") from error
        if list(rle["size"]) != [MASK_SIDE, MASK_SIDE]:
            raise ValueError(f"part {part}: size {rle['size']}, not {[MASK_SIDE, MASK_SIDE]}")
        ends = np.cumsum(runs)
        for start, end in zip(ends[0::2].tolist(), ends[1::2].tolist(), strict=False):
            columns[start:end] = part
    return np.ascontiguousarray(columns.reshape(MASK_SIDE, MASK_SIDE).T)


def _uncompressed(text: bytes) -> np.ndarray:
    """Undo COCO's run compression.

    A run is a little-endian group of 5-bit digits (bit 6: more follow, sign in bit 5 of the last);
    from the fourth run on it is the difference to the run two places before.
    """
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - 48
    if not len(codes):
        return np.zeros(0, dtype=np.int64)
    if codes.min() < 0 or codes.max() > 63:
        raise ValueError("counts does not decode: it holds characters that COCO does not use")
    last = (codes & 0x20) == 0
    if not last[-1]:
        raise ValueError("counts does not decode: it ends in the middle of a run")
    group = np.concatenate(([0], np.cumsum(last)[:-1]))
    starts = np.flatnonzero(np.concatenate(([True], last[:-1])))
    place = np.arange(len(codes)) - starts[group]
    if place.max() > 6:
        raise ValueError("counts does not decode: a run is longer than any mask")
    runs = np.add.reduceat((codes & 0x1F) << (5 * place), starts)
    negative = (codes[last] & 0x10) != 0
    runs -= negative.astype(np.int64) << (5 * (place[last] + 1))
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def _shortened(value: Any) -> str:
    """A value as text of bounded length, for messages."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
