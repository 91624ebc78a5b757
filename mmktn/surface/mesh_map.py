"""Vertices of one mesh from those of another: Anny, SMPL-X or a scan as a mesh that has charts.

A vertex of the wanted mesh is a place on a triangle of the other one, so a posed mesh of the other
kind gives a posed mesh of the wanted kind. The table for Anny comes with mmktn
(data/human_body.LICENSE.md); others are files of the user.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.utils.array_files import check_arrays, read_array, read_arrays
from mmktn.utils.user_error import UserError

ANNY_FILE = Path(__file__).parent / "data" / "anny_places.npz"
_SPARSE = ("data", "indices", "indptr", "shape", "format")
_WHAT = "a correspondence of meshes"


@dataclass(frozen=True)
class MeshMap:
    """For each vertex of the wanted mesh the vertices of the other one that it is a mean of.

    Attributes:
        corners: (V, k) whole numbers, ids of the other mesh.
        weights: (V, k) float64, rows sum to 1.
        num_source: Vertices of the other mesh.
    """

    corners: NDArray[np.int64]
    weights: NDArray[np.float64]
    num_source: int

    def __post_init__(self) -> None:
        same = self.corners.shape == self.weights.shape
        if self.corners.ndim != 2 or not same or not self.corners.size:
            raise UserError(
                f"corners {self.corners.shape} and weights {self.weights.shape}: need the same "
                "(V, k) of both, V and k at least 1"
            )
        if self.corners.dtype.kind not in "iu":
            raise UserError(f"corners are {self.corners.dtype}, need vertex ids")
        ends = (self.corners.min(initial=0), self.corners.max(initial=0))
        if ends[0] < 0 or ends[1] >= self.num_source:
            raise UserError(f"corners name vertices {ends[0]}..{ends[1]} of {self.num_source}")
        if not np.isfinite(self.weights).all() or np.abs(self.weights.sum(axis=1) - 1).max() > 1e-3:
            raise UserError("weights: every row has to sum to 1")

    @property
    def num_target(self) -> int:
        """V, vertices of the wanted mesh."""
        return len(self.corners)

    def apply(self, vertices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Carry posed vertices over.

        Args:
            vertices: (..., num_source, 3) of the other mesh.

        Returns:
            (..., V, 3) of the wanted mesh, in the same frame and unit.

        Raises:
            UserError: Another number of vertices.
        """
        if vertices.shape[-2:] != (self.num_source, 3):
            raise UserError(
                f"vertices are {vertices.shape}; the table is of a mesh of {self.num_source}"
            )
        found = np.einsum("vk,...vkd->...vd", self.weights, vertices[..., self.corners, :])
        return np.asarray(found)

    @classmethod
    def read(cls, path: str | Path) -> MeshMap:
        """Read a table of the user.

        Args:
            path: .npy with (V,) vertex ids of the other mesh; .npz with `corners` (V, k), `weights`
                (V, k) and `num_source`; or .npz that scipy.sparse.save_npz wrote of a (V,
                num_source) matrix in CSR form.

        Returns:
            The table.

        Raises:
            FileNotFoundError: No such file.
            UserError: None of these forms; the text names the file.
        """
        file = Path(path)
        try:
            if file.suffix == ".npy":
                return cls._from_ids(read_array(file, what="vertex ids"))
            names = check_arrays(file, what=_WHAT)
            if set(_SPARSE) <= set(names):
                return cls._from_sparse(read_arrays(file, _SPARSE, what=_WHAT))
            parts = read_arrays(file, ("corners", "weights", "num_source"), what=_WHAT)
            if parts["num_source"].size != 1:
                raise UserError("num_source is not one number")
            return cls(
                parts["corners"],
                parts["weights"].astype(np.float64),
                int(parts["num_source"].item()),
            )
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            raise UserError(
                f"correspondence {file}: {error}; wanted is what docs/fits.md describes"
            ) from error

    @classmethod
    def _from_ids(cls, ids: NDArray[np.int64]) -> MeshMap:
        if ids.ndim != 1 or ids.dtype.kind not in "iu" or ids.min(initial=0) < 0:
            raise UserError(f"{ids.dtype} {ids.shape}: need (V,) vertex ids from 0 on")
        whole = ids.astype(np.int64)[:, None]
        return cls(whole, np.ones(whole.shape), int(whole.max(initial=-1)) + 1)

    @classmethod
    def _from_sparse(cls, parts: dict[str, NDArray[Any]]) -> MeshMap:
        if bytes(parts["format"].item()) != b"csr" or parts["shape"].shape != (2,):
            raise UserError("the sparse matrix is not in CSR form; save matrix.tocsr()")
        rows, columns = (int(n) for n in parts["shape"])
        pointer = parts["indptr"].astype(np.int64)
        count = np.diff(pointer)
        fits = len(pointer) == rows + 1 and (count >= 1).all()
        if not fits or pointer[0] != 0 or pointer[-1] != len(parts["data"]):
            raise UserError("the sparse matrix has an empty row, or its parts do not fit")
        wide = int(count.max(initial=1))
        place = np.minimum(np.arange(wide), count[:, None] - 1)
        take = pointer[:-1, None] + place
        weights = np.where(np.arange(wide) < count[:, None], parts["data"][take], 0.0)
        return cls(parts["indices"][take], weights.astype(np.float64), columns)


@lru_cache(maxsize=1)
def anny_places() -> MeshMap:
    """Return places of the human body's vertices on the 13718 vertices of Anny's default topology.

    Returns:
        The table; 0.04 mm off on average, 3 mm at most, in Anny's rest pose.
    """
    with np.load(ANNY_FILE, allow_pickle=False) as archive:
        first = archive["weights"].astype(np.float64) / 65535
        weights = np.concatenate([first, 1 - first.sum(axis=1, keepdims=True)], axis=1)
        return MeshMap(archive["corners"].astype(np.int64), weights, int(archive["num_source"]))
