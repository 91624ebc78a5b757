"""Which pictures two sets share: the same file, or the same picture coded or sized anew.

A picture is known by the SHA-256 of its file, by 64 bits of its low frequencies, and by a small
grey copy. Pictures whose bits differ in few places are candidates, found without comparing every
pair: if at most t of 64 bits differ, one of t + 1 groups of bits is equal. The copies then decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmktn.formats.pictures import picture_digest, read_picture

SIDE = 32
"""Side of the grey copies, and of the cosine transform."""
_KEPT = 8
_FLAT = 2.0
"""Standard deviation of grey values below which a picture shows nothing to compare."""
_BLOCK = 1 << 21
"""Pairs that are looked at together."""
_GREYS = 1 << 12
_BITS_OF_16 = np.array([bin(value).count("1") for value in range(1 << 16)], dtype=np.uint8)


@dataclass(frozen=True)
class PictureMark:
    """What a picture is known by.

    Attributes:
        digest: SHA-256 of its file.
        code: 64 bits of its low frequencies.
        grey: (32, 32) uint8 small copy.
    """

    digest: str
    code: int
    grey: NDArray[np.uint8]


class SharedPair(NamedTuple):
    """A picture of the first set that is one of the second.

    Attributes:
        first: Its place in the first set.
        second: Place in the second set.
        bits: Bits of the codes that differ; 0 of equal files.
        likeness: Correlation of the grey copies, 1 of equal files.
        exact: Whether the files are equal.
    """

    first: int
    second: int
    bits: int
    likeness: float
    exact: bool


def mark_picture(path: str, *, max_pixels: int | None = None) -> PictureMark:
    """Read a picture and make its mark.

    Args:
        path: File.
        max_pixels: As in `read_picture`.

    Raises:
        FileNotFoundError: There is no such file.
        PictureError: It cannot be read.
    """
    digest = picture_digest(path)
    return PictureMark(digest, *code_of(read_picture(path, max_pixels=max_pixels)))


def code_of(image_bgr: NDArray[np.uint8]) -> tuple[int, NDArray[np.uint8]]:
    """Code and grey copy of a picture.

    Args:
        image_bgr: (H, W, 3) uint8.

    Returns:
        64 bits: which of the lowest 8 x 8 frequencies, the mean left out, are above their median;
        and the (32, 32) uint8 copy.
    """
    import cv2

    small = cv2.resize(image_bgr, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    grey = small.astype(np.float64) @ np.array([0.114, 0.587, 0.299])
    low = (_COSINES @ grey @ _COSINES.T).reshape(-1)[1:]
    bits = np.concatenate([low > np.median(low), [False]])
    code = int.from_bytes(np.packbits(bits).tobytes(), "big")
    return code, np.rint(grey).astype(np.uint8)


def shared_pictures(
    first: Sequence[PictureMark],
    second: Sequence[PictureMark],
    *,
    max_bits: int = 6,
    min_likeness: float = 0.95,
) -> list[SharedPair]:
    """Find the pictures that two sets share.

    Args:
        first: Marks of the first set.
        second: Marks of the second set.
        max_bits: Bits of the codes that may differ, 0 to 15.
        min_likeness: Least correlation of the grey copies.

    Returns:
        Pairs by place in the first set, equal files before others, the most alike first. Pictures
        of one grey value are compared by their files alone.

    Raises:
        ValueError: An option is out of range.
    """
    if not 0 <= max_bits <= 15 or not 0 <= min_likeness <= 1:
        raise ValueError(
            f"max_bits {max_bits}, min_likeness {min_likeness}: 0 to 15 and 0 to 1 are possible"
        )
    found: dict[tuple[int, int], SharedPair] = {}
    by_digest = defaultdict(list)
    for place, mark in enumerate(second):
        by_digest[mark.digest].append(place)
    for place, mark in enumerate(first):
        for other in by_digest.get(mark.digest, ()):
            found[place, other] = SharedPair(place, other, 0, 1.0, True)
    shown_first, shown_second = _that_show_something(first), _that_show_something(second)
    codes_first, codes_second = (
        np.array([marks[k].code for k in shown], dtype=np.uint64)
        for marks, shown in ((first, shown_first), (second, shown_second))
    )
    for rows, columns, bits in _close_codes(codes_first, codes_second, max_bits):
        places, others = shown_first[rows], shown_second[columns]
        likeness = _likeness(first, second, places, others)
        alike = np.flatnonzero(likeness >= min_likeness)
        for k in alike.tolist():
            key = (int(places[k]), int(others[k]))
            found.setdefault(key, SharedPair(*key, int(bits[k]), float(likeness[k]), False))
    return sorted(found.values(), key=lambda pair: (pair.first, not pair.exact, -pair.likeness))


def _cosines() -> NDArray[np.float64]:
    """Return (8, 32) rows of the cosine transform."""
    rows, places = np.arange(_KEPT)[:, None], np.arange(SIDE)[None]
    return np.cos(np.pi * rows * (2 * places + 1) / (2 * SIDE))


_COSINES = _cosines()


def _that_show_something(marks: Sequence[PictureMark]) -> NDArray[np.int64]:
    """Return the places of the pictures that are not of one grey value."""
    return np.array([k for k, mark in enumerate(marks) if mark.grey.std() >= _FLAT], dtype=np.int64)


def _close_codes(
    first: NDArray[np.uint64], second: NDArray[np.uint64], max_bits: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield pairs of codes that differ in few bits, in blocks; a pair may come more than once."""
    edges = np.linspace(0, 64, max_bits + 2).astype(int)
    for low, high in pairwise(edges.tolist()):
        mask = np.uint64((1 << (high - low)) - 1)
        keys = [(codes >> np.uint64(low)) & mask for codes in (first, second)]
        order = np.argsort(keys[1], kind="stable")
        ordered = keys[1][order]
        starts = np.searchsorted(ordered, keys[0], side="left")
        counts = np.searchsorted(ordered, keys[0], side="right") - starts
        for part in _parts(counts):
            rows = np.repeat(part, counts[part])
            ends = np.cumsum(counts[part])
            within = np.arange(len(rows)) - np.repeat(ends - counts[part], counts[part])
            columns = order[np.repeat(starts[part], counts[part]) + within]
            differing = first[rows] ^ second[columns]
            bits = _BITS_OF_16[differing.view(np.uint16).reshape(-1, 4)].sum(axis=1, dtype=np.int64)
            close = bits <= max_bits
            yield rows[close], columns[close], bits[close]


def _parts(counts: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the places with candidates, so many at a time as make one block of pairs."""
    places = np.flatnonzero(counts)
    if not len(places):
        return
    blocks = (np.cumsum(counts[places]) - 1) // _BLOCK
    yield from np.split(places, np.flatnonzero(np.diff(blocks)) + 1)


def _likeness(
    first: Sequence[PictureMark],
    second: Sequence[PictureMark],
    places: NDArray[np.int64],
    others: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Compute the correlations of grey copies that are not of one value, some pairs at a time."""
    found = np.zeros(len(places), dtype=np.float32)
    for start in range(0, len(places), _GREYS):
        part = slice(start, start + _GREYS)
        pair = []
        for marks, chosen in ((first, places[part]), (second, others[part])):
            grey = np.stack([marks[k].grey.reshape(-1) for k in chosen.tolist()])
            grey = grey - grey.mean(axis=1, keepdims=True, dtype=np.float32)
            pair.append(grey / np.linalg.norm(grey, axis=1, keepdims=True))
        found[part] = (pair[0] * pair[1]).sum(axis=1)
    return found
