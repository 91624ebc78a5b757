"""Triangle mesh in metres: validation, areas, normals, edges, hash.

Vertices and faces are 0-based; faces wind counter-clockwise seen from outside.
"""

import hashlib
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray


class SurfaceMesh:
    """Triangle mesh.

    Args:
        vertices: (V, 3) positions in metres.
        faces: (F, 3) vertex ids, 0-based.

    Raises:
        ValueError: Wrong shape, values that are not finite, ids out of range, a face that names a
            vertex twice.
    """

    def __init__(self, vertices: ArrayLike, faces: ArrayLike) -> None:
        self.vertices: NDArray[np.float64] = np.array(vertices, dtype=np.float64)
        self.faces: NDArray[np.int64] = np.array(faces, dtype=np.int64)
        if self.vertices.ndim != 2 or self.vertices.shape[1] != 3:
            raise ValueError(f"vertices must have shape (V, 3), got {self.vertices.shape}")
        if self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise ValueError(f"faces must have shape (F, 3), got {self.faces.shape}")
        if not np.all(np.isfinite(self.vertices)):
            raise ValueError("vertices hold values that are not finite")
        if len(self.faces) == 0:
            raise ValueError("faces are empty")
        if self.faces.min() < 0 or self.faces.max() >= len(self.vertices):
            raise ValueError(
                f"faces name vertices {self.faces.min()}..{self.faces.max()}, the mesh has "
                f"{len(self.vertices)} (0-based; the official files are 1-based)"
            )
        a, b, c = self.faces.T
        degenerate = np.flatnonzero((a == b) | (b == c) | (c == a))
        if len(degenerate):
            raise ValueError(f"face {degenerate[0]} names a vertex twice")
        self.vertices.setflags(write=False)
        self.faces.setflags(write=False)

    @property
    def num_vertices(self) -> int:
        """Number of vertices V."""
        return len(self.vertices)

    @property
    def num_faces(self) -> int:
        """Number of faces F."""
        return len(self.faces)

    @cached_property
    def hash(self) -> str:
        """16 hex digits that change with any vertex or face; key of the on-disk caches."""
        digest = hashlib.sha256()
        digest.update(np.ascontiguousarray(self.vertices, dtype="<f8").tobytes())
        digest.update(np.ascontiguousarray(self.faces, dtype="<i8").tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def _face_cross(self) -> NDArray[np.float64]:
        corners = self.vertices[self.faces]
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        return cross.astype(np.float64, copy=False)

    @cached_property
    def face_areas(self) -> NDArray[np.float64]:
        """(F,) areas in square metres."""
        twice: NDArray[np.float64] = np.sqrt((self._face_cross**2).sum(axis=1))
        return twice / 2

    @cached_property
    def vertex_normals(self) -> NDArray[np.float64]:
        """(V, 3) unit normals, area-weighted mean over the faces of a vertex."""
        return _unit(vertex_sums(self.faces, self._face_cross, self.num_vertices))

    @cached_property
    def vertex_areas(self) -> NDArray[np.float64]:
        """(V,) a third of the area of the faces around each vertex, square metres."""
        third = np.repeat(self.face_areas / 3, 3)
        sums = np.bincount(self.faces.ravel(), weights=third, minlength=self.num_vertices)
        return sums.astype(np.float64)

    @cached_property
    def edges(self) -> NDArray[np.int64]:
        """(E, 2) undirected edges, smaller id first, sorted."""
        return np.unique(np.sort(_half_edges(self.faces), axis=1), axis=0)

    @cached_property
    def edge_lengths(self) -> NDArray[np.float64]:
        """(E,) lengths in metres."""
        return np.linalg.norm(np.diff(self.vertices[self.edges], axis=1)[:, 0], axis=1)

    @cached_property
    def volume(self) -> float:
        """Enclosed volume in cubic metres (meaningful for closed meshes; positive: normals out)."""
        corners = self.vertices[self.faces]
        return float(np.einsum("ij,ij->i", corners[:, 0], self._face_cross).sum() / 6)


def _half_edges(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(length, np.finfo(np.float64).tiny)


def vertex_normals_of(
    vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Compute unit normals (V, 3), triangles weighted by area; 0 where there are none."""
    corners = vertices[faces]
    edges = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normals = vertex_sums(faces, np.asarray(np.cross(*edges), np.float64), len(vertices))
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(normals / np.maximum(length, 1e-12), np.float64)


def vertex_sums(
    faces: NDArray[np.int64], values: NDArray[np.float64], num_vertices: int
) -> NDArray[np.float64]:
    """Sum of the values of all faces around each vertex.

    Args:
        faces: (F, 3) vertex ids.
        values: (F, C) one row per face.
        num_vertices: V.

    Returns:
        (V, C).
    """
    ids = faces.ravel()
    repeated = np.repeat(values, 3, axis=0)
    columns = [
        np.bincount(ids, weights=repeated[:, k], minlength=num_vertices)
        for k in range(values.shape[1])
    ]
    return np.stack(columns, axis=1)
