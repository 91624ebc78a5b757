"""A z-buffer rasteriser for triangle meshes in NumPy.

Source: the pinhole projection and perspective-correct barycentric interpolation of any graphics
text. It departs from a graphics card in that a label is the surface hit by the ray through the
pixel *centre* (x + 0.5, y + 0.5), without any fill-rule at shared edges: a centre on an edge
belongs to both faces and the nearer one, then the one with the lower id, is kept. Faces are not
looped over: all pixel candidates of all faces are made in one go and sorted by depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CANDIDATES_PER_PASS = 1_500_000
_NEAR = 1e-3


@dataclass
class RasterResult:
    """What is seen through every pixel centre.

    Attributes:
        face_ids: `(H, W)` int32, id of the visible face, -1 for none.
        barycentric: `(H, W, 3)` float64, perspective-correct weights of the face's corners, 0 where
            no face.
        depth: `(H, W)` float64, distance along the optical axis (unit of the vertices), infinite
            where no face.
    """

    face_ids: NDArray[np.int32]
    barycentric: NDArray[np.float64]
    depth: NDArray[np.float64]

    @property
    def hit(self) -> NDArray[np.bool_]:
        """`(H, W)` bool, whether any face is seen."""
        return self.face_ids >= 0

    def interpolate(
        self, corner_values: NDArray[np.float64], mask: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Interpolate per-corner values at the pixels of `mask`.

        Args:
            corner_values: `(F, 3)` or `(F, 3, C)` values at the corners of every face.
            mask: `(H, W)` bool, a subset of `hit`.

        Returns:
            `(P,)` or `(P, C)` values, in row-major order of the mask.
        """
        corners = corner_values[self.face_ids[mask]]
        weights = self.barycentric[mask]
        if corners.ndim == 2:
            return np.einsum("pk,pk->p", weights, corners)
        return np.einsum("pk,pkc->pc", weights, corners)


def empty_raster(height: int, width: int) -> RasterResult:
    """Return a raster in which nothing is seen."""
    return RasterResult(
        np.full((height, width), -1, np.int32),
        np.zeros((height, width, 3)),
        np.full((height, width), np.inf),
    )


def rasterize(
    points: NDArray[np.float64],
    faces: NDArray[np.int64],
    *,
    height: int,
    width: int,
    cull_back: bool = True,
) -> RasterResult:
    """Find the nearest face behind every pixel centre.

    Args:
        points: `(V, 3)` projected vertices: x, y in pixels (0 is the left or upper edge of the
            image), depth; faces with a corner nearer than 0.001 are left out.
        faces: `(F, 3)` vertex ids. Seen from outside, corners run counter-clockwise in a y-up view.
        height: rows of the image.
        width: columns of the image.
        cull_back: leave out faces seen from behind (right for closed bodies, and twice as fast).

    Returns:
        The visible face, its barycentric weights and the depth of every pixel.

    Raises:
        ValueError: if the shapes of `points` or `faces` are wrong.
    """
    if points.ndim != 2 or points.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(
            f"rasterize needs points (V, 3) and faces (F, 3), got {points.shape} and {faces.shape}"
        )
    raster = empty_raster(height, width)
    kept, edges = _facing_faces(points, faces, cull_back)
    kept, edges, boxes = _pixel_boxes(points, faces, kept, edges, height, width)
    counts = boxes[:, 2] * boxes[:, 3]
    for start, stop in _passes(counts):
        part = slice(start, stop)
        _draw(raster, points, faces, kept[part], edges[part], boxes[part])
    return raster


def _facing_faces(
    points: NDArray[np.float64], faces: NDArray[np.int64], cull_back: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find drawable faces and their doubled signed area in the y-down image (negative: facing)."""
    corners = points[faces]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    drawable = (corners[..., 2] > _NEAR).all(axis=1)
    drawable &= area < -1e-12 if cull_back else np.abs(area) > 1e-12
    kept = np.nonzero(drawable)[0]
    return kept, area[kept]


def _pixel_boxes(
    points: NDArray[np.float64],
    faces: NDArray[np.int64],
    kept: NDArray[np.int64],
    area: NDArray[np.float64],
    height: int,
    width: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Clipped ranges (x0, y0, columns, rows) of pixel centres inside each face's bounding box."""
    xy = points[faces[kept], :2]
    low = np.ceil(xy.min(axis=1) - 0.5)
    high = np.floor(xy.max(axis=1) - 0.5)
    low = np.maximum(low, 0)
    high = np.minimum(high, [width - 1, height - 1])
    size = high - low + 1
    some = (size > 0).all(axis=1)
    boxes = np.concatenate([low[some], size[some]], axis=1).astype(np.int64)
    return kept[some], area[some], boxes


def _passes(counts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Split faces into runs of at most about `_CANDIDATES_PER_PASS` candidate pixels."""
    ends = np.cumsum(counts)
    passes, start, done = [], 0, 0
    while start < len(counts):
        stop = int(np.searchsorted(ends, done + _CANDIDATES_PER_PASS, side="right"))
        stop = max(stop, start + 1)
        passes.append((start, stop))
        done, start = int(ends[stop - 1]), stop
    return passes


def _draw(
    raster: RasterResult,
    points: NDArray[np.float64],
    faces: NDArray[np.int64],
    kept: NDArray[np.int64],
    area: NDArray[np.float64],
    boxes: NDArray[np.int64],
) -> None:
    """Test all candidates of some faces and merge the nearest into the raster."""
    width = raster.face_ids.shape[1]
    counts = boxes[:, 2] * boxes[:, 3]
    row = np.repeat(np.arange(len(kept)), counts)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = boxes[row, 2]
    px = boxes[row, 0] + offset % columns
    py = boxes[row, 1] + offset // columns
    corners = points[faces[kept]]
    weights = _edge_weights(corners, area, row, px + 0.5, py + 0.5)
    inside = (weights >= 0).all(axis=1)
    row, px, py, weights = row[inside], px[inside], py[inside], weights[inside]
    # Linear in the image are 1/z and w/z, not z and w: this makes the weights perspective-correct.
    weights /= corners[row, :, 2]
    inverse_depth = weights.sum(axis=1)
    weights /= inverse_depth[:, None]
    depth = 1.0 / inverse_depth
    pixel = py * width + px
    nearer = depth < raster.depth.reshape(-1)[pixel]
    row, pixel, weights, depth = row[nearer], pixel[nearer], weights[nearer], depth[nearer]
    # With repeated indices the last assignment stays: farthest first, and of equals the lowest id
    # last.
    order = np.lexsort((-row, -depth))
    target = pixel[order]
    raster.face_ids.reshape(-1)[target] = kept[row[order]]
    raster.barycentric.reshape(-1, 3)[target] = weights[order]
    raster.depth.reshape(-1)[target] = depth[order]


def _edge_weights(
    corners: NDArray[np.float64],
    area: NDArray[np.float64],
    row: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the image-plane barycentric weights `(N, 3)` of points in their faces."""
    weights = np.zeros((len(row), 3))
    for k in range(3):
        p, q = corners[:, (k + 1) % 3], corners[:, (k + 2) % 3]
        # The edge function as a plane in (x, y) per face, so that a candidate costs two
        # multiplications.
        slope_x = (p[:, 1] - q[:, 1]) / area
        slope_y = (q[:, 0] - p[:, 0]) / area
        constant = (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]) / area
        weights[:, k] = slope_x[row] * x + slope_y[row] * y + constant[row]
    return weights
