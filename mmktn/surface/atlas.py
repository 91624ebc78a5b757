"""Charts of the body: (I, U, V) to vertex or face and back.

Source: nearest-vertex rule of the official evaluator (Euclidean in (U, V) among the vertices of the
same chart, compared after the square root, lowest index wins). The evaluator searches one point at
a time; here all points are searched at once, with equal results.
"""

import hashlib
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmktn.surface.chart_search import ChartLocator, ChartVertexSearch
from mmktn.surface.parts import NUM_CHARTS

_TABLE_SIZE = 256
_UNKNOWN = -2
_SLACK = 1e-6


class ChartAtlas:
    """Mesh cut into 24 charts.

    A mesh vertex on a seam appears once per side: A atlas vertices stand for V mesh vertices.

    Args:
        mesh_vertex: (A,) mesh vertex id of each atlas vertex.
        charts: (A,) chart 1..24 of each atlas vertex.
        u: (A,) U in [0, 1].
        v: (A,) V in [0, 1].
        faces: (F, 3) atlas vertex ids.
        face_charts: (F,) chart of each face; by default that of its vertices.
        rest_vertices: (V, 3) positions in metres that ``points`` uses by default.

    Raises:
        ValueError: Lengths differ, values out of range, a face across two charts.
    """

    def __init__(
        self,
        mesh_vertex: ArrayLike,
        charts: ArrayLike,
        *,
        u: ArrayLike,
        v: ArrayLike,
        faces: ArrayLike,
        face_charts: ArrayLike | None = None,
        rest_vertices: NDArray[np.float64] | None = None,
    ) -> None:
        self.rest_vertices = rest_vertices
        self.mesh_vertex = _frozen(np.array(mesh_vertex, dtype=np.int64))
        self.charts = _frozen(np.array(charts, dtype=np.int64))
        self.u: NDArray[np.float64] = np.array(u, dtype=np.float64)
        self.v: NDArray[np.float64] = np.array(v, dtype=np.float64)
        self.faces = _frozen(np.array(faces, dtype=np.int64))
        self._check_vertices()
        self._check_faces()
        own = self.charts[self.faces[:, 0]]
        self.face_charts = own if face_charts is None else np.array(face_charts, dtype=np.int64)
        if not np.array_equal(self.face_charts, own):
            raise ValueError("face_charts differ from the charts of the faces' vertices")
        self.u.setflags(write=False)
        self.v.setflags(write=False)

    def _check_vertices(self) -> None:
        lengths = {len(a) for a in (self.mesh_vertex, self.charts, self.u, self.v)}
        if len(lengths) != 1:
            raise ValueError(f"mesh_vertex, charts, u and v differ in length: {sorted(lengths)}")
        if self.charts.min() < 1 or self.charts.max() > NUM_CHARTS:
            raise ValueError(
                f"charts must lie in 1..{NUM_CHARTS}, got {self.charts.min()}..{self.charts.max()}"
            )
        if self.mesh_vertex.min() < 0:
            raise ValueError("mesh_vertex holds negative ids")
        for name, values in (("u", self.u), ("v", self.v)):
            if not np.all((values >= -_SLACK) & (values <= 1 + _SLACK)):
                raise ValueError(f"{name} must lie in [0, 1] without nan")

    def _check_faces(self) -> None:
        if self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise ValueError(f"faces must have shape (F, 3), got {self.faces.shape}")
        if len(self.faces) and (self.faces.min() < 0 or self.faces.max() >= len(self.charts)):
            raise ValueError(f"faces name atlas vertices outside 0..{len(self.charts) - 1}")
        corner_charts = self.charts[self.faces]
        mixed = np.flatnonzero((corner_charts != corner_charts[:, :1]).any(axis=1))
        if len(mixed):
            raise ValueError(f"face {mixed[0]} joins charts {corner_charts[mixed[0]].tolist()}")

    @property
    def num_vertices(self) -> int:
        """Number of atlas vertices A."""
        return len(self.charts)

    @cached_property
    def uv(self) -> NDArray[np.float64]:
        """(A, 2) chart coordinates."""
        return np.stack([self.u, self.v], axis=1)

    @cached_property
    def mesh_faces(self) -> NDArray[np.int64]:
        """(F, 3) the same faces in mesh vertex ids."""
        return self.mesh_vertex[self.faces]

    @cached_property
    def hash(self) -> str:
        """16 hex digits that change with any chart, coordinate or seam."""
        digest = hashlib.sha256()
        for array in (self.mesh_vertex, self.charts, self.u, self.v, self.faces):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def _vertex_search(self) -> ChartVertexSearch:
        return ChartVertexSearch(self.charts, self.uv)

    @cached_property
    def _locator(self) -> ChartLocator:
        return ChartLocator(self.uv, self.faces, self.face_charts)

    @cached_property
    def _nearest_table(self) -> NDArray[np.int32]:
        """(24, 256, 256) nearest atlas vertex of the cells asked so far, index [chart-1, v, u]."""
        return np.full((NUM_CHARTS, _TABLE_SIZE, _TABLE_SIZE), _UNKNOWN, dtype=np.int32)

    def nearest_vertex(self, charts: ArrayLike, u: ArrayLike, v: ArrayLike) -> NDArray[np.int64]:
        """Return the atlas vertex whose (U, V) is nearest within the chart (official rule).

        Args:
            charts: (N,) chart numbers; anything outside 1..24 has no vertex.
            u: (N,) U.
            v: (N,) V.

        Returns:
            (N,) atlas vertex ids, lowest id among equals, -1 where there is none.

        Raises:
            ValueError: Lengths differ, or U or V is not finite on a chart.
        """
        return self._vertex_search.query(charts, u, v)

    def nearest_mesh_vertex(
        self, charts: ArrayLike, u: ArrayLike, v: ArrayLike
    ) -> NDArray[np.int64]:
        """Return the mesh vertex of the nearest atlas vertex; arguments as in ``nearest_vertex``.

        Returns:
            (N,) mesh vertex ids, -1 where there is none.
        """
        return self._to_mesh(self.nearest_vertex(charts, u, v))

    def nearest_vertex_uint8(
        self, charts: ArrayLike, u: ArrayLike, v: ArrayLike
    ) -> NDArray[np.int64]:
        """Return ``nearest_vertex`` for U = u / 255, V = v / 255 with bytes u, v: exact, by table.

        Only cells that are asked for are ever searched; they are kept for the next call.

        Args:
            charts: (N,) chart numbers; anything outside 1..24 has no vertex.
            u: (N,) integers 0..255.
            v: (N,) integers 0..255.

        Returns:
            (N,) atlas vertex ids, -1 where there is none.

        Raises:
            ValueError: A byte outside 0..255 on a chart, or lengths differ.
        """
        chart_ids = np.asarray(charts).astype(np.int64)
        columns = np.asarray(u).astype(np.int64)
        rows = np.asarray(v).astype(np.int64)
        if not chart_ids.shape == columns.shape == rows.shape:
            raise ValueError(
                f"charts, u, v differ in shape: {chart_ids.shape}, {columns.shape}, {rows.shape}"
            )
        result = np.full(chart_ids.shape, -1, dtype=np.int64)
        known = (chart_ids >= 1) & (chart_ids <= NUM_CHARTS)
        columns, rows = columns[known], rows[known]
        if len(columns) and (
            min(columns.min(), rows.min()) < 0 or max(columns.max(), rows.max()) > 255
        ):
            raise ValueError("u and v must be bytes 0..255")
        cells = ((chart_ids[known] - 1) * _TABLE_SIZE + rows) * _TABLE_SIZE + columns
        table = self._nearest_table.reshape(-1)
        missing = np.zeros(len(table), dtype=bool)
        missing[cells] = True
        missing &= table == _UNKNOWN
        todo = np.flatnonzero(missing)
        if len(todo):
            chart_todo, place = np.divmod(todo, _TABLE_SIZE * _TABLE_SIZE)
            v_todo, u_todo = np.divmod(place, _TABLE_SIZE)
            table[todo] = self.nearest_vertex(chart_todo + 1, u_todo / 255.0, v_todo / 255.0)
        result[known] = table[cells]
        return result

    def locate(
        self, charts: ArrayLike, u: ArrayLike, v: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the face and barycentric coordinates of chart points.

        A point outside the chart's outline takes the nearest point of the chart.

        Args:
            charts: (N,) chart numbers; anything outside 1..24 has no face.
            u: (N,) U.
            v: (N,) V.

        Returns:
            Face ids (N,), -1 where there is none; barycentric coordinates (N, 3), rows sum to 1
            (0 where there is no face).

        Raises:
            ValueError: Lengths differ, or U or V is not finite on a chart.
        """
        return self._locator.query(charts, u, v)

    def interpolate(
        self, face_ids: ArrayLike, barycentric: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the chart coordinates of points on faces; the inverse of ``locate``.

        Args:
            face_ids: (N,) face ids, -1 for none.
            barycentric: (N, 3).

        Returns:
            Charts (N,), U (N,), V (N,); all 0 where there is no face.
        """
        ids, weights = _points_on_faces(face_ids, barycentric, len(self.faces))
        corners = self.faces[np.maximum(ids, 0)]
        on_face = ids >= 0
        u = np.einsum("nk,nk->n", self.u[corners], weights)
        v = np.einsum("nk,nk->n", self.v[corners], weights)
        charts = np.where(on_face, self.face_charts[np.maximum(ids, 0)], 0)
        return charts, np.where(on_face, u, 0.0), np.where(on_face, v, 0.0)

    def points(
        self, face_ids: ArrayLike, barycentric: ArrayLike, vertices: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the positions of points on faces.

        Args:
            face_ids: (N,) face ids, none negative.
            barycentric: (N, 3).
            vertices: (V, D) value of each mesh vertex, e.g. posed positions; by default the rest
                positions.

        Returns:
            (N, D).

        Raises:
            ValueError: A face id is negative or too large, or no vertices are known.
        """
        values = self.rest_vertices if vertices is None else np.asarray(vertices, dtype=np.float64)
        if values is None:
            raise ValueError("points: this atlas has no rest_vertices; pass vertices")
        ids, weights = _points_on_faces(face_ids, barycentric, len(self.faces))
        if len(ids) and ids.min() < 0:
            raise ValueError("points: face id -1 has no position")
        corners = values[self.mesh_faces[ids]]
        return np.einsum("nk,nkd->nd", weights, corners)

    def _to_mesh(self, atlas_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(atlas_ids >= 0, self.mesh_vertex[np.maximum(atlas_ids, 0)], -1)


def _frozen(array: NDArray[np.int64]) -> NDArray[np.int64]:
    array.setflags(write=False)
    return array


def _points_on_faces(
    face_ids: ArrayLike, barycentric: ArrayLike, num_faces: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    ids = np.asarray(face_ids, dtype=np.int64)
    weights = np.asarray(barycentric, dtype=np.float64)
    if weights.shape != (len(ids), 3):
        raise ValueError(f"barycentric must have shape ({len(ids)}, 3), got {weights.shape}")
    if len(ids) and (ids.min() < -1 or ids.max() >= num_faces):
        raise ValueError(f"face ids must lie in -1..{num_faces - 1}")
    return ids, weights
