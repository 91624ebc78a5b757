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
    """Distances between mesh vertices.

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
    distances = np.zeros(len(place), dtype=condensed.dtype)
    order = np.argsort(place)
    order = order[(high != low)[order]]
    wanted = place[order]
    distances[order] = _read_sorted(condensed, wanted)
    return distances if geodesics.unit_m == 1.0 else distances * geodesics.unit_m


def _read_sorted(
    condensed: "np.memmap[Any, Any]", wanted: NDArray[np.int64]
) -> NDArray[np.floating]:
    values = np.zeros(len(wanted), dtype=condensed.dtype)
    step = _BLOCK_BYTES // condensed.itemsize
    limits = np.arange(step, len(condensed) + step, step)
    begin = 0
    plain = condensed.view(np.ndarray)
    for end in np.searchsorted(wanted, limits).tolist():
        if end > begin:
            values[begin:end] = plain[wanted[begin:end]]
            _give_back(condensed)
        begin = end
    return values


def _give_back(condensed: "np.memmap[Any, Any]") -> None:
    """Unmap the pages read so far; the system keeps them in its cache."""
    mapping = getattr(condensed, "_mmap", None)
    if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)
