"""Look-ups in a memory-mapped distance file that leave no trace in memory.

The official file has 1.5 GB; a random access maps 16 pages around it, so half a million of them in
random order would hold all of it in memory. Sorted look-ups read the file once from front to back,
and pages are given back on the way.
"""

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK_BYTES = 64 << 20


def geodesic_distances(
    geodesics: Any, a: NDArray[np.int64], b: NDArray[np.int64]
) -> NDArray[np.floating]:
    """Return the distances between mesh vertices.

    Args:
        geodesics: Object with ``distance(a, b)``; a ``GeodesicTable`` on a memory-mapped file is
            read in file order.
        a: (N,) vertex ids.
        b: (N,) vertex ids.

    Returns:
        (N,) metres.
    """
    condensed = getattr(geodesics, "condensed", None)
    if not isinstance(condensed, np.memmap):
        return geodesics.distance(a, b)
    high, low = np.maximum(a, b), np.minimum(a, b)
    if len(high) and (low.min() < 0 or high.max() >= geodesics.num_vertices):
        raise ValueError(f"vertex ids must lie in 0..{geodesics.num_vertices - 1}")
    place = high * (high - 1) // 2 + low
    wanted = np.flatnonzero(high != low)
    distances = np.zeros(len(place), dtype=condensed.dtype)
    distances[wanted] = _read_by_blocks(condensed, place[wanted])
    return distances


def _read_by_blocks(
    condensed: "np.memmap[Any, Any]", place: NDArray[np.int64]
) -> NDArray[np.floating]:
    """Read one block of the file after the other, giving its pages back before the next."""
    values = np.zeros(len(place), dtype=condensed.dtype)
    block = place // (_BLOCK_BYTES // condensed.itemsize)
    # Few blocks, so 16 bits do, which numpy sorts by radix.
    order = np.argsort(block.astype(np.uint16), kind="stable")
    ends = np.cumsum(np.bincount(block))
    plain = condensed.view(np.ndarray)
    begin = 0
    for end in ends.tolist():
        if end > begin:
            chosen = order[begin:end]
            values[chosen] = plain[place[chosen]]
            _give_back(condensed)
        begin = end
    return values


def _give_back(condensed: "np.memmap[Any, Any]") -> None:
    """Unmap the pages read so far; the system keeps them in its cache."""
    mapping = getattr(condensed, "_mmap", None)
    if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)
