"""Search in the (U, V) plane of a chart: nearest vertex, containing face.

Source: nearest vertex as in the official evaluator (float64 distance after the square root, lowest
index wins). A KD-tree proposes candidates, the winner is decided on the exact expression.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmktn.surface.parts import NUM_CHARTS

_CANDIDATES = 4
_RELATIVE_MARGIN = 1e-9
_ABSOLUTE_MARGIN = 1e-12
_BINS = 48
_INSIDE_TOLERANCE = 1e-9
_CHUNK = 1024


def _prepared(
    charts: ArrayLike, u: ArrayLike, v: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the chart ids (N,) and points (N, 2); raises ValueError on lengths or values."""
    chart_ids = np.atleast_1d(np.asarray(charts)).astype(np.int64)
    columns = [np.atleast_1d(np.asarray(values, dtype=np.float64)) for values in (u, v)]
    if chart_ids.ndim != 1 or any(c.shape != chart_ids.shape for c in columns):
        raise ValueError(
            f"charts, u, v must be (N,) alike, got {chart_ids.shape}, {columns[0].shape}, "
            f"{columns[1].shape}"
        )
    points = np.stack(columns, axis=1)
    known = (chart_ids >= 1) & (chart_ids <= NUM_CHARTS)
    bad = np.flatnonzero(known & ~np.isfinite(points).all(axis=1))
    if len(bad):
        raise ValueError(f"point {bad[0]}: U, V = {points[bad[0]].tolist()} is not finite")
    return chart_ids, points


class ChartVertexSearch:
    """Nearest vertex of each chart.

    Args:
        charts: (A,) chart of each vertex.
        uv: (A, 2) coordinates.
    """

    def __init__(self, charts: NDArray[np.int64], uv: NDArray[np.float64]) -> None:
        self._ids = [np.flatnonzero(charts == c) for c in range(NUM_CHARTS + 1)]
        self._uv = [uv[ids] for ids in self._ids]
        from scipy.spatial import cKDTree

        self._trees = [cKDTree(points) for points in self._uv]

    def query(self, charts: ArrayLike, u: ArrayLike, v: ArrayLike) -> NDArray[np.int64]:
        """Index of the nearest vertex of the chart, -1 where the chart has none; see ChartAtlas."""
        chart_ids, points = _prepared(charts, u, v)
        result = np.full(len(chart_ids), -1, dtype=np.int64)
        order = np.argsort(chart_ids, kind="stable")
        bounds = np.searchsorted(chart_ids[order], np.arange(1, NUM_CHARTS + 2))
        for chart in range(1, NUM_CHARTS + 1):
            rows = order[bounds[chart - 1] : bounds[chart]]
            if len(rows) and len(self._ids[chart]):
                result[rows] = self._ids[chart][self._query_chart(chart, points[rows])]
        return result

    def _query_chart(self, chart: int, points: NDArray[np.float64]) -> NDArray[np.int64]:
        sites = self._uv[chart]
        count = min(_CANDIDATES, len(sites))
        reach, near = self._trees[chart].query(points, k=count)
        reach, near = reach.reshape(len(points), count), near.reshape(len(points), count)
        near = np.sort(near, axis=1)
        exact = _distance(points[:, None, :], sites[near])
        best = near[np.arange(len(points)), exact.argmin(axis=1)]
        if count < len(sites):
            limit = reach[:, 0] * (1 + _RELATIVE_MARGIN) + _ABSOLUTE_MARGIN
            for row in np.flatnonzero(reach[:, -1] <= limit):
                best[row] = _distance(points[row], sites).argmin()
        return best


def _distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the euclidean distance of the last axis, computed as the official evaluator does."""
    delta = a - b
    return np.sqrt(delta[..., 0] * delta[..., 0] + delta[..., 1] * delta[..., 1])


class ChartLocator:
    """Face of each chart that holds a point; outside the outline, the nearest face.

    Args:
        uv: (A, 2) coordinates.
        faces: (F, 3) vertex ids.
        face_charts: (F,) chart of each face.
    """

    def __init__(
        self,
        uv: NDArray[np.float64],
        faces: NDArray[np.int64],
        face_charts: NDArray[np.int64],
    ) -> None:
        self._corners = uv[faces]
        self._num_faces = len(faces)
        self._chart_faces = [np.flatnonzero(face_charts == c) for c in range(NUM_CHARTS + 1)]
        self._bins = self._fill_bins(face_charts)

    def _fill_bins(self, face_charts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (25 * bins^2, M) faces whose bounding box meets each bin, padded with F."""
        low = _bin_of(self._corners.min(axis=1) - _INSIDE_TOLERANCE)
        high = _bin_of(self._corners.max(axis=1) + _INSIDE_TOLERANCE)
        spans = high - low + 1
        counts = spans[:, 0] * spans[:, 1]
        face = np.repeat(np.arange(self._num_faces), counts)
        step = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts)
        rows, columns = np.divmod(step, spans[face, 0])
        cell = (face_charts[face] * _BINS + low[face, 1] + rows) * _BINS + low[face, 0] + columns
        order = np.argsort(cell, kind="stable")
        cell, face = cell[order], face[order]
        number_of_cells = (NUM_CHARTS + 1) * _BINS * _BINS
        start = np.searchsorted(cell, np.arange(number_of_cells))
        slot = np.arange(len(cell)) - start[cell]
        bins = np.full((number_of_cells, int(slot.max()) + 1), self._num_faces, dtype=np.int64)
        bins[cell, slot] = face
        return bins

    def query(
        self, charts: ArrayLike, u: ArrayLike, v: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return face ids (N,) and barycentric coordinates (N, 3); see ``ChartAtlas.locate``."""
        chart_ids, points = _prepared(charts, u, v)
        face_ids = np.full(len(points), -1, dtype=np.int64)
        weights = np.zeros((len(points), 3))
        known = np.flatnonzero((chart_ids >= 1) & (chart_ids <= NUM_CHARTS))
        for start in range(0, len(known), _CHUNK * 16):
            rows = known[start : start + _CHUNK * 16]
            face_ids[rows], weights[rows] = self._inside(chart_ids[rows], points[rows])
        for row_chart in np.unique(chart_ids[known]):
            outside = known[(chart_ids[known] == row_chart) & (face_ids[known] < 0)]
            chart_faces = self._chart_faces[row_chart]
            for start in range(0, len(outside) if len(chart_faces) else 0, _CHUNK):
                rows = outside[start : start + _CHUNK]
                nearest, weights[rows] = _nearest_on_triangles(
                    points[rows], self._corners[chart_faces]
                )
                face_ids[rows] = chart_faces[nearest]
        return face_ids, weights

    def _inside(
        self, charts: NDArray[np.int64], points: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        place = _bin_of(points)
        candidates = self._bins[(charts * _BINS + place[:, 1]) * _BINS + place[:, 0]]
        real = candidates < self._num_faces
        corners = self._corners[np.where(real, candidates, 0)]
        weights = _barycentric(points[:, None, :], corners)
        depth = np.where(real, weights.min(axis=-1), -np.inf)
        choice = depth.argmax(axis=1)
        rows = np.arange(len(points))
        found = depth[rows, choice] >= -_INSIDE_TOLERANCE
        chosen = np.clip(weights[rows, choice], 0, None)
        chosen = np.where(found[:, None], chosen / np.maximum(chosen.sum(1), 1e-300)[:, None], 0)
        return np.where(found, candidates[rows, choice], -1), chosen


def _bin_of(points: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.clip((points * _BINS).astype(np.int64), 0, _BINS - 1)


def _barycentric(points: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the barycentric coordinates (..., 3) of points (..., 2) in triangles (..., 3, 2)."""
    edge_1 = corners[..., 1, :] - corners[..., 0, :]
    edge_2 = corners[..., 2, :] - corners[..., 0, :]
    offset = points - corners[..., 0, :]
    twice_area = edge_1[..., 0] * edge_2[..., 1] - edge_1[..., 1] * edge_2[..., 0]
    safe = np.where(twice_area == 0, np.inf, twice_area)
    second = (offset[..., 0] * edge_2[..., 1] - offset[..., 1] * edge_2[..., 0]) / safe
    third = (edge_1[..., 0] * offset[..., 1] - edge_1[..., 1] * offset[..., 0]) / safe
    first = np.where(twice_area == 0, -np.inf, 1 - second - third)
    return np.stack([first, second, third], axis=-1)


def _nearest_on_triangles(
    points: NDArray[np.float64], corners: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find nearest triangle (N,) and barycentric coordinates (N, 3) of points outside all."""
    start = corners
    along = np.roll(corners, -1, axis=1) - corners
    length2 = np.maximum((along**2).sum(-1), 1e-300)
    offset = points[:, None, None, :] - start
    t = np.clip((offset * along).sum(-1) / length2, 0, 1)
    gap = ((offset - t[..., None] * along) ** 2).sum(-1).reshape(len(points), -1)
    choice = gap.argmin(axis=1)
    face, edge = np.divmod(choice, 3)
    rows = np.arange(len(points))
    position = t[rows, face, edge]
    weights = np.zeros((len(points), 3))
    weights[rows, edge] = 1 - position
    weights[rows, (edge + 1) % 3] = position
    return face, weights
