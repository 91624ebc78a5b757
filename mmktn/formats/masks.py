"""Person masks of COCO files: run-length codes, polygons, and the part masks of a box.

pycocotools takes what it gets: it returns uninitialised memory for a code whose runs do not cover
the mask, reads four numbers as a box, and ends the process on others. So nothing reaches it, and no
mask is allocated, before the checks of this module have passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmktn.formats.annotation_sets import DENSEPOSE_COCO, AnnotationFormat
from mmktn.formats.limits import MAX_IMAGE_PIXELS, MAX_OUTLINE_PIXELS
from mmktn.formats.shown import shown
from mmktn.utils.user_error import UserError

MASK_SIDE = 256
NUM_PARTS = 14


def rle_runs(rle: Any) -> NDArray[np.int64]:
    """Unpack the run lengths of a COCO run-length code.

    Args:
        rle: `{"size": [h, w], "counts": text or list}`; the text is COCO's compressed form.

    Returns:
        (R,) int64 lengths of alternating runs of 0 and 1 in column-major order, sum h * w.

    Raises:
        UserError: Not such a dict, too large, or the runs do not add up to the mask.
    """
    if not isinstance(rle, Mapping) or "size" not in rle or "counts" not in rle:
        raise UserError(f'not {{"size": [h, w], "counts": ...}} but {shown(rle)}')
    size, counts = rle["size"], rle["counts"]
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(map(_is_side, size)):
        raise UserError(f"size {shown(size)} is not [h, w]")
    cells = int(size[0]) * int(size[1])
    if cells > MAX_IMAGE_PIXELS:
        raise UserError(f"size {shown(size)} has more than {MAX_IMAGE_PIXELS} cells")
    if isinstance(counts, str | bytes):
        runs = _uncompressed(
            counts.encode("utf-8", "surrogatepass") if isinstance(counts, str) else counts
        )
    elif isinstance(counts, list) and all(type(run) is int for run in counts):
        if any(run < 0 for run in counts):
            raise UserError("counts does not decode: a run has negative length")
        if any(run > cells for run in counts):
            raise UserError(f"counts does not decode: a run is longer than the {cells} cells")
        runs = np.array(counts, dtype=np.int64)
    else:
        raise UserError(f"counts is neither text nor a list of whole numbers: {shown(counts)}")
    if (runs < 0).any():
        raise UserError("counts does not decode: a run has negative length")
    if runs.sum() != cells:
        raise UserError(
            f"counts does not decode: runs cover {runs.sum()} cells, the mask has "
            f"{size[0]} x {size[1]} = {cells}"
        )
    return runs


def decode_rle(rle: Any) -> NDArray[np.uint8]:
    """Decode a run-length code after checking it.

    Args:
        rle: As in `rle_runs`.

    Returns:
        (h, w) uint8 0 or 1, columns contiguous.

    Raises:
        UserError: See `rle_runs`.
    """
    runs = rle_runs(rle)
    height, width = rle["size"]
    values = (np.arange(len(runs)) % 2).astype(np.uint8)
    return np.repeat(values, runs).reshape(width, height).T


def check_segmentation(segmentation: Any, image_hw: tuple[int, int]) -> None:
    """Check a COCO segmentation without drawing it; docs/datasets.md has the rule.

    Args:
        segmentation: A list of polygons `[x0, y0, x1, y1, x2, y2, ...]` of at least three points,
            or a run-length code of the image's size.
        image_hw: Size of the image.

    Raises:
        UserError: It is something else.
    """
    height, width = image_hw
    if isinstance(segmentation, Mapping):
        rle_runs(segmentation)
        if list(segmentation["size"]) != [height, width]:
            raise UserError(f"size {list(segmentation['size'])}, the image has {[height, width]}")
        return
    if not isinstance(segmentation, list | tuple) or not segmentation:
        raise UserError(f"neither polygons nor a run-length code but {shown(segmentation)}")
    if all(isinstance(value, int | float) for value in segmentation):
        raise UserError("a flat list of numbers; polygons are lists in a list: [[x, y, ...]]")
    check_polygons(segmentation, image_hw)


def check_polygons(polygons: Sequence[Any], image_hw: tuple[int, int]) -> None:
    """Check that each polygon is a flat list of three or more finite points near the image.

    Args:
        polygons: Lists `[x0, y0, x1, y1, ...]` in pixels.
        image_hw: Size of the image; points may lie outside by as much as its size.

    Raises:
        UserError: One is not, which is named by its place; or their outlines are so long that
            drawing them would take memory and time out of proportion.
    """
    outline = 0.0
    low = -np.array(image_hw[::-1], dtype=np.float64)
    for place, polygon in enumerate(polygons):
        values = number_list(polygon)
        if values is None or values.ndim != 1:
            raise UserError(f"polygon {place} is no flat list of numbers: {shown(polygon)}")
        if len(values) < 6 or len(values) % 2:
            raise UserError(
                f"polygon {place} has {len(values)} numbers; it needs x, y of three or more points"
            )
        points = values.reshape(-1, 2)
        if not np.isfinite(points).all():
            raise UserError(f"polygon {place} is not finite")
        if (points < low).any() or (points > -2 * low).any():
            raise UserError(f"polygon {place} lies far outside the image of {image_hw} (h, w)")
        steps = np.abs(points - np.roll(points, 1, axis=0)).max(axis=1)
        outline += float(steps.sum()) + len(points)
        if outline > MAX_OUTLINE_PIXELS:
            raise UserError(
                f"polygons have outlines of more than {MAX_OUTLINE_PIXELS} pixels, at polygon "
                f"{place} of {len(points)} points; leave points out, or write a run-length code"
            )


def segmentation_mask(segmentation: Any, image_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw a COCO segmentation.

    Args:
        segmentation: As in `check_segmentation`.
        image_hw: Size of the image.

    Returns:
        (H, W) uint8 0 or 1.

    Raises:
        UserError: It cannot be drawn.
    """
    check_segmentation(segmentation, image_hw)
    if isinstance(segmentation, Mapping):
        return decode_rle(segmentation)
    return draw_polygons(segmentation, image_hw)


def draw_polygons(polygons: Sequence[Any], image_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the union of polygons, after `check_polygons`.

    Args:
        polygons: Lists of coordinates.
        image_hw: Size of the image.

    Returns:
        (H, W) uint8 0 or 1.

    Raises:
        UserError: See `check_polygons`.
    """
    check_polygons(polygons, image_hw)
    codes = coco_mask.frPyObjects([[float(v) for v in p] for p in polygons], *image_hw)
    return coco_mask.decode(coco_mask.merge(codes))


def part_runs(
    dp_masks: Any, file_format: AnnotationFormat = DENSEPOSE_COCO
) -> list[tuple[int, tuple[int, int], NDArray[np.int64]]]:
    """Check the part masks of a person and unpack their runs.

    Args:
        dp_masks: 14 run-length codes of masks over the box, or `[]` for an absent part; in sets
            without parts one code, or a list of codes whose union is the body.
        file_format: What the set allows.

    Returns:
        Label, size (h, w) and runs of each part that is there.

    Raises:
        UserError: Another number of parts, a code that does not decode or has another size; the
            text names the part.
    """
    if not file_format.part_masks and isinstance(dp_masks, Mapping):
        dp_masks = [dp_masks]
    if not isinstance(dp_masks, list | tuple):
        wanted = f"not {NUM_PARTS} masks" if file_format.part_masks else "no mask"
        raise UserError(f"{wanted} but {shown(dp_masks)}")
    if file_format.part_masks and file_format.all_parts and len(dp_masks) != NUM_PARTS:
        raise UserError(f"{len(dp_masks)} entries, not {NUM_PARTS}")
    found = []
    read = dp_masks[:NUM_PARTS] if file_format.part_masks else dp_masks
    for part, rle in enumerate(read, start=1):
        if isinstance(rle, list) and not rle:
            continue
        try:
            runs = rle_runs(rle)
            height, width = rle["size"]
            if height != width or height not in file_format.mask_sides:
                allowed = " or ".join(str([side, side]) for side in file_format.mask_sides)
                raise UserError(f"size {[height, width]}, not {allowed}")
        except UserError as error:
            raise UserError(f"part {part}: {error}") from error
        found.append((part if file_format.part_masks else 1, (height, width), runs))
    return found


def merge_dp_masks(
    dp_masks: Any, file_format: AnnotationFormat = DENSEPOSE_COCO
) -> NDArray[np.uint8]:
    """Merge the part masks of a person; where masks overlap the later part wins.

    Args:
        dp_masks: As in `part_runs`.
        file_format: What the set allows.

    Returns:
        (256, 256) uint8, 0 background, 1..14 parts; 1 is the whole body in sets without parts.

    Raises:
        UserError: See `part_runs`.
    """
    usual = _usual_runs(dp_masks, file_format)
    if usual is not None:
        return _merged_runs(*usual)
    # Runs go down the columns: in this order they are slices of memory.
    merged = np.zeros((MASK_SIDE, MASK_SIDE), dtype=np.uint8, order="F")
    for label, size, runs in part_runs(dp_masks, file_format):
        _paint(merged, size, runs, label)
    return np.ascontiguousarray(merged)


def _usual_runs(
    dp_masks: Any, file_format: AnnotationFormat
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Read 14 sound masks of 256 x 256 cells, as nearly all persons have; None for others.

    Returns:
        (R, 2) runs of 0 and of 1, part after part, and the (R,) part of each.
    """
    if not (
        file_format.part_masks
        and MASK_SIDE in file_format.mask_sides
        and isinstance(dp_masks, list)
    ):
        return None
    if len(dp_masks) != NUM_PARTS:
        return None
    found = _sound_runs(dp_masks)
    if found is None:
        return None
    pairs, rows = found
    labels = np.array([part for part, rle in enumerate(dp_masks, start=1) if rle], dtype=np.int64)
    return pairs, np.repeat(labels, rows)


def _merged_runs(pairs: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Merge runs in one pass: a bit for each part that is there, the highest of which wins.

    Args:
        pairs: (R, 2) runs of 0 and of 1 of whole 256 x 256 masks.
        labels: (R,) part of each row, 1..14.

    Returns:
        (256, 256) uint8 labels, 0 background.
    """
    import cv2

    cells = MASK_SIDE**2
    places = np.cumsum(pairs.reshape(-1)).reshape(-1, 2)[pairs[:, 1] > 0] % cells
    bits = np.left_shift(1, labels[pairs[:, 1] > 0])
    # What reaches the last cell ends at place 0 of the next mask: there it counts from the start.
    whole = bits[places[:, 1] == 0].sum(keepdims=True)
    changes = np.concatenate((whole, -bits, bits))  # no bit is set twice where runs touch
    places = np.concatenate(([0], places[:, 1], places[:, 0])).astype(np.uint16)
    order = np.argsort(places, kind="stable")  # by radix for 16 bits
    lengths = np.diff(places[order].astype(np.int64), append=cells)
    columns = np.repeat(_HIGHEST_BIT[np.cumsum(changes[order])], lengths)
    # numpy takes six times as long to transpose bytes.
    merged: NDArray[Any] = cv2.transpose(columns.reshape(MASK_SIDE, MASK_SIDE))
    return merged


_HIGHEST_BIT = np.array([max(n.bit_length() - 1, 0) for n in range(2 << NUM_PARTS)], dtype=np.uint8)


@dataclass(frozen=True)
class PartMasks:
    """Part masks of a person that `check_part_masks` found sound, still coded.

    Attributes:
        labels: Part 1..14 of each mask that is there; 1 for a mask of the whole body.
        codes: pycocotools' run-length code of each, 256 x 256 or 512 x 512.
        count: Entries in the file.
    """

    labels: tuple[int, ...]
    codes: tuple[dict[str, Any], ...]
    count: int

    def union(self) -> NDArray[np.uint8]:
        """Return (256, 256) uint8 0 or 1, columns contiguous."""
        usual = [code for code in self.codes if code["size"][0] == MASK_SIDE]
        if usual:
            merged = coco_mask.decode(coco_mask.merge(usual) if len(usual) > 1 else usual[0])
        else:
            merged = np.zeros((MASK_SIDE, MASK_SIDE), dtype=np.uint8, order="F")
        for code in self.codes:
            if code["size"][0] != MASK_SIDE:
                merged |= _at_centres(coco_mask.decode(code))
        return merged

    def merged(self) -> NDArray[np.uint8]:
        """(256, 256) uint8 labels, 0 background; a later part lies on top of an earlier one."""
        found = np.zeros((MASK_SIDE, MASK_SIDE), dtype=np.uint8, order="F")
        for label, code in zip(self.labels, self.codes, strict=True):
            found[_at_centres(coco_mask.decode(code)) > 0] = label
        return found


def check_part_masks(dp_masks: Any) -> PartMasks:
    """Check the part masks of a person for evaluators, who know no set.

    Args:
        dp_masks: Parts, the first 14 of any number, 256 or 512 cells wide, or one body mask.

    Returns:
        The masks, which can be decoded without a further check.

    Raises:
        UserError: See `part_runs`.
    """
    whole = isinstance(dp_masks, Mapping) or (isinstance(dp_masks, list) and len(dp_masks) == 1)
    entries = [dp_masks] if isinstance(dp_masks, Mapping) else dp_masks
    if not isinstance(entries, list) or _sound_runs(entries[:NUM_PARTS]) is None:
        part_runs(dp_masks, _SCORED_BODY if whole else _SCORED_PARTS)
    present = [(k, rle) for k, rle in enumerate(entries[:NUM_PARTS], start=1) if rle]
    return PartMasks(
        tuple(label for label, _ in present),
        tuple(
            coco_mask.frPyObjects(rle, *rle["size"]) if isinstance(rle["counts"], list) else rle
            for _, rle in present
        ),
        len(entries),
    )


_SCORED_BODY = AnnotationFormat("body", part_masks=False, mask_sides=(MASK_SIDE, 512))
_SCORED_PARTS = AnnotationFormat("parts", all_parts=False, mask_sides=(MASK_SIDE, 512))


def _at_centres(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a larger mask at the centres of the 256 x 256 cells; they are corners of its own."""
    step = len(mask) // MASK_SIDE
    return mask[step // 2 :: step, step // 2 :: step]


def _sound_runs(entries: list[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Read masks that are all sound text of 256 x 256 cells, as nearly all; None for others.

    Returns:
        As `_run_pairs`.
    """
    texts = []
    for rle in entries:
        if isinstance(rle, list) and not rle:
            continue
        if not isinstance(rle, dict) or rle.get("size") != [MASK_SIDE, MASK_SIDE]:
            return None
        text = rle.get("counts")
        if isinstance(text, str) and text.isascii():
            text = text.encode("ascii")
        if not isinstance(text, bytes) or not text:
            return None
        texts.append(text)
    if not texts:
        return np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.int64)
    pairs, rows = _run_pairs(texts)
    if rows is None:
        return None
    sums = np.add.reduceat(pairs.sum(axis=1), _starts(rows))
    return (pairs, rows) if (sums == MASK_SIDE**2).all() else None


def _run_pairs(texts: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Undo COCO's run compression of several codes at once, as `_uncompressed` does of one.

    Args:
        texts: P codes, none of them empty.

    Returns:
        (R, 2) runs of 0 and of 1, code after code, and the (P,) rows of each; None in place of the
        second where a code is not sound.
    """
    digits = np.frombuffer(b"".join(texts), dtype=np.uint8) - np.uint8(48)
    last = digits < 32
    stops = np.cumsum([len(text) for text in texts])
    ends = np.flatnonzero(last)
    nothing = np.zeros((0, 2), dtype=np.int64)
    if digits.max() > 63 or not last[stops - 1].all():
        return nothing, None
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    longest = int(lengths.max())
    if longest > 7:
        return nothing, None
    runs = (digits[starts] & 31).astype(np.int64)
    for place in range(1, longest):
        longer = np.flatnonzero(lengths > place)
        runs[longer] |= (digits[starts[longer] + place] & 31).astype(np.int64) << (5 * place)
    runs -= ((digits[ends] & 16) != 0).astype(np.int64) << (5 * lengths)
    # Codes begin at even places, so that runs of 0 and of 1 are columns.
    per_code = np.diff(np.searchsorted(ends, stops), prepend=0)
    rows = (per_code + 1) // 2
    first = _starts(rows)
    shift = np.repeat(2 * first - _starts(per_code), per_code)
    flat = np.zeros(2 * int(rows.sum()), dtype=np.int64)
    flat[np.arange(len(runs)) + shift] = runs
    pairs: NDArray[np.int64] = flat.reshape(-1, 2)
    begin = pairs[first].copy()
    sums = np.cumsum(pairs, axis=0)
    base = sums[first]
    base[:, 1] -= begin[:, 1]
    pairs = sums - np.repeat(base, rows, axis=0)
    pairs[first, 0] = begin[:, 0]
    pairs[(first + rows - 1)[per_code % 2 == 1], 1] = 0
    return pairs, rows if pairs.min() >= 0 else None


def _starts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.cumsum(counts) - counts


def _paint(
    merged: NDArray[np.uint8], size: tuple[int, int], runs: NDArray[np.int64], label: int
) -> None:
    """Write a label where a mask is 1, in place; other sizes are read at the cells' centres."""
    ends = np.cumsum(runs)
    spans = list(zip(ends[0::2].tolist(), ends[1::2].tolist(), strict=False))
    if size == (MASK_SIDE, MASK_SIDE):
        columns = merged.T.reshape(-1)
        for start, end in spans:
            columns[start:end] = label
        return
    mask = np.zeros(size[0] * size[1], dtype=bool)
    for start, end in spans:
        mask[start:end] = True
    centres = ((np.arange(MASK_SIDE) + 0.5) * size[0] / MASK_SIDE).astype(np.int64)
    merged[mask.reshape(size[1], size[0]).T[np.ix_(centres, centres)]] = label


def _uncompressed(text: bytes) -> NDArray[np.int64]:
    """Undo COCO's run compression.

    A run is a little-endian group of 5-bit digits (bit 6: more follow, sign in bit 5 of the last);
    from the fourth run on it is the difference to the run two places before.
    """
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - 48
    if not len(codes):
        return np.zeros(0, dtype=np.int64)
    if codes.min() < 0 or codes.max() > 63:
        raise UserError("counts does not decode: it holds characters that COCO does not use")
    last = (codes & 0x20) == 0
    if not last[-1]:
        raise UserError("counts does not decode: it ends in the middle of a run")
    group = np.concatenate(([0], np.cumsum(last)[:-1]))
    starts = np.flatnonzero(np.concatenate(([True], last[:-1])))
    place = np.arange(len(codes)) - starts[group]
    if place.max() > 6:
        raise UserError("counts does not decode: a run is longer than any mask")
    runs = np.add.reduceat((codes & 0x1F) << (5 * place), starts)
    negative = (codes[last] & 0x10) != 0
    runs -= negative.astype(np.int64) << (5 * (place[last] + 1))
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def number_list(values: Any) -> NDArray[np.float64] | None:
    """Return a list of numbers (of any depth that numpy knows) as float64, None if it is none."""
    if isinstance(values, np.ndarray):
        return values if values.dtype.kind in "iuf" else None
    if not isinstance(values, list | tuple):
        return None
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError, RecursionError):
        return None
    return array.astype(np.float64) if array.dtype.kind in "iuf" or not values else None


def _is_side(value: Any) -> bool:
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return bool(is_whole and value > 0)
