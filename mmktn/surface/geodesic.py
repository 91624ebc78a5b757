"""Geodesic distances between all pairs of mesh vertices, as one condensed memory-mapped array.

Order of the array: strict lower triangle row by row, entry (i, j), i > j, at i (i - 1) / 2 + j, as
in the official file. How distances are computed: ``geodesic_solver``.
"""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmktn.surface.file_cache import cache_folder
from mmktn.surface.geodesic_solver import compute_condensed
from mmktn.surface.mesh import SurfaceMesh
from mmktn.utils.file_lock import single_writer
from mmktn.utils.output_files import replace_atomically

SOLVER_VERSION = 2
_DTYPES = ("float32", "float16")


class GeodesicTable:
    """Distances of all vertex pairs.

    Args:
        condensed: (V (V - 1) / 2,) distances in metres, usually memory-mapped; not copied.
        num_vertices: V.

    Raises:
        ValueError: The array's length does not fit V.
    """

    def __init__(self, condensed: NDArray[np.floating], num_vertices: int) -> None:
        expected = num_vertices * (num_vertices - 1) // 2
        if condensed.shape != (expected,):
            raise ValueError(
                f"condensed must have shape ({expected},) for {num_vertices} vertices, "
                f"got {condensed.shape}"
            )
        self.condensed = condensed
        self.num_vertices = num_vertices

    def distance(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
        """Return the distances between vertices.

        Args:
            a: (...) vertex ids, 0-based; -1 stands for no vertex.
            b: (...) vertex ids, broadcast against a.

        Returns:
            (...) metres, float64; 0 for equal vertices, inf where either is -1.

        Raises:
            ValueError: An id below -1 or not below the number of vertices.
        """
        first, second = np.broadcast_arrays(np.asarray(a), np.asarray(b))
        first, second = first.astype(np.int64), second.astype(np.int64)
        high, low = np.maximum(first, second), np.minimum(first, second)
        if high.size and (low.min() < -1 or high.max() >= self.num_vertices):
            raise ValueError(
                f"vertex ids must lie in -1..{self.num_vertices - 1}, got {low.min()}..{high.max()}"
            )
        stored = (low >= 0) & (high != low)
        place = np.where(stored, high * (high - 1) // 2 + low, 0)
        if len(self.condensed):
            values = np.asarray(self.condensed[place], dtype=np.float64)
        else:
            values = np.zeros(place.shape)
        values = np.where(stored, values, 0.0)
        return np.where(low < 0, np.inf, values)

    @classmethod
    def open(cls, path: str | Path, *, num_vertices: int | None = None) -> "GeodesicTable":
        """Memory-map a file written by ``from_mesh`` or by the converter of the official file.

        Args:
            path: .npy file with the condensed array.
            num_vertices: V; by default taken from the length.

        Returns:
            The table.

        Raises:
            FileNotFoundError: No such file.
            ValueError: Not a condensed array of floats, or of another number of vertices.
        """
        file = Path(path)
        if not file.is_file():
            raise FileNotFoundError(f"geodesic distances: no file {file}")
        try:
            condensed = np.load(file, mmap_mode="r", allow_pickle=False)
        except ValueError as error:
            raise ValueError(f"{file}: not an .npy array ({error}); delete it") from error
        if condensed.ndim != 1 or condensed.dtype.kind != "f":
            raise ValueError(
                f"{file}: expected a one-dimensional float array, "
                f"got {condensed.dtype} {condensed.shape}"
            )
        count = num_vertices_of(len(condensed)) if num_vertices is None else num_vertices
        return cls(condensed, count)

    @classmethod
    def from_mesh(
        cls,
        mesh: SurfaceMesh,
        cache_dir: str | Path | None = None,
        *,
        dtype: str = "float32",
        solver: str = "hybrid",
        mirror: NDArray[np.int64] | None = None,
        progress: bool = True,
    ) -> "GeodesicTable":
        """Return the distances of a mesh, from the cache or computed once and cached.

        Args:
            mesh: Connected mesh.
            cache_dir: Folder of the cache; by default ``MMKTN_CACHE_DIR`` or ``~/.cache/mmktn``.
            dtype: "float32" or "float16" (half the file; 0.5 mm at 1 m).
            solver: "hybrid" (exact near the source, heat method beyond), "heat" or "exact"
                (docs/surface.md has accuracy and times).
            mirror: (V,) mirrored vertex of a symmetric mesh; halves the time.
            progress: Show a progress bar while computing.

        Returns:
            The table, memory-mapped read-only: processes share one copy.

        Raises:
            ValueError: Unknown dtype or solver, the mesh is not connected, or ``mirror`` is no
                symmetry of it.
            ImportError: The solver's package is not installed.
        """
        if dtype not in _DTYPES:
            raise ValueError(f"dtype must be one of {_DTYPES}, got {dtype!r}")
        folder = Path(cache_dir) if cache_dir is not None else cache_folder() / "geodesics"
        file = folder / f"{mesh.hash}_{solver}{SOLVER_VERSION}_{dtype}.npy"
        if not file.is_file():
            with single_writer(file):
                if not file.is_file():
                    condensed = compute_condensed(
                        mesh, solver=solver, dtype=dtype, mirror=mirror, progress=progress
                    )
                    with replace_atomically(file) as handle:
                        np.save(handle, condensed, allow_pickle=False)
        return cls.open(file, num_vertices=mesh.num_vertices)


def num_vertices_of(length: int) -> int:
    """Number of vertices whose condensed array has this length.

    Args:
        length: V (V - 1) / 2.

    Returns:
        V.

    Raises:
        ValueError: No V fits.
    """
    count = round((1 + (1 + 8 * length) ** 0.5) / 2)
    if count * (count - 1) // 2 != length:
        raise ValueError(f"{length} distances are not those of all pairs of any number of vertices")
    return count
