"""Run-length codes of dp_masks: checked decoding and merging into one coarse part map.

Source: COCO run-length coding and the DensePose-COCO field `dp_masks`. pycocotools does not check
that the runs of a code add up to the size of its mask (2.0.11 then returns uninitialised memory),
so the runs are unpacked here and checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmktn.datasets.annotation_format import DENSEPOSE_COCO, AnnotationFormat

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


def merge_dp_masks(dp_masks: Any, form: AnnotationFormat = DENSEPOSE_COCO) -> np.ndarray:
    """Merge the part masks of a person; where masks overlap the later part wins.

    Args:
        dp_masks: 14 run-length codes of masks over the box, or `[]` for an absent part; in sets
            without parts one code, or a list of codes whose union is the body.
        form: What the set allows.

    Returns:
        (256, 256) uint8, 0 background, 1..14 parts; 1 is the whole body in sets without parts.

    Raises:
        ValueError: Another number of parts, a code that does not decode or has another size; the
            text names the part.
    """
    if not form.part_masks and isinstance(dp_masks, dict):
        dp_masks = [dp_masks]
    expected = NUM_PARTS if form.part_masks else None
    if not isinstance(dp_masks, list | tuple) or expected not in (None, len(dp_masks)):
        length = len(dp_masks) if isinstance(dp_masks, list | tuple) else _shortened(dp_masks)
        raise ValueError(f"{length} entries, not {NUM_PARTS if form.part_masks else 'one mask'}")
    # Runs go down the columns: in this order they are slices of memory.
    merged = np.zeros((MASK_SIDE, MASK_SIDE), dtype=np.uint8, order="F")
    for part, rle in enumerate(dp_masks, start=1):
        if isinstance(rle, list) and not rle:
            continue
        try:
            _paint(merged, rle, part if form.part_masks else 1, form.mask_sides)
        except (ValueError, TypeError) as error:
            raise ValueError(f"part {part}: {error}") from error
    return np.ascontiguousarray(merged)


def _paint(merged: np.ndarray, rle: Any, label: int, sides: Sequence[int]) -> None:
    """Write a label where a mask is 1, in place; other sizes are read at the cells' centres."""
    runs = rle_runs(rle)
    size = list(rle["size"])
    if size not in [[side, side] for side in sides]:
        allowed = " or ".join(str([side, side]) for side in sides)
        raise ValueError(f"size {size}, not {allowed}")
    ends = np.cumsum(runs)
    spans = list(zip(ends[0::2].tolist(), ends[1::2].tolist(), strict=False))
    if size == [MASK_SIDE, MASK_SIDE]:
        columns = merged.T.reshape(-1)
        for start, end in spans:
            columns[start:end] = label
        return
    mask = np.zeros(size[0] * size[1], dtype=bool)
    for start, end in spans:
        mask[start:end] = True
    centres = ((np.arange(MASK_SIDE) + 0.5) * size[0] / MASK_SIDE).astype(np.int64)
    merged[mask.reshape(size[1], size[0]).T[np.ix_(centres, centres)]] = label


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
