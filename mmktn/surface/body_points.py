"""Pixels of a picture as points of the body, and back: vertices, triangles, positions, distances.

Answers "which vertex is this pixel" for the vertices of any surface: the shipped bodies, and with
the official files those of DensePose's mesh and the 6890 of SMPL.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmktn.utils.array_files import read_array

if TYPE_CHECKING:
    from mmktn.surface.body_surface import BodySurface


@dataclass(frozen=True)
class BodyPoints:
    """P pixels of one person with their places on the body.

    A pixel off the person has chart 0, vertex -1 and triangle -1.

    Attributes:
        xy: (P, 2) int64 column and row in the image.
        charts: (P,) int64 chart 1..24, 0 off the body.
        uv: (P, 2) float64 U and V in [0, 1].
        surface: The body that vertices and triangles are of.
    """

    xy: NDArray[np.int64]
    charts: NDArray[np.int64]
    uv: NDArray[np.float64]
    surface: BodySurface

    def __len__(self) -> int:
        return len(self.charts)

    @cached_property
    def vertices(self) -> NDArray[np.int64]:
        """(P,) nearest mesh vertex, by the rule of the official evaluator; -1 off the body.

        On a seam the vertex that both charts share is one vertex.
        """
        return self.surface.atlas.nearest_mesh_vertex(self.charts, *self.uv.T)

    @cached_property
    def smpl_vertices(self) -> NDArray[np.int64]:
        """(P,) nearest of SMPL's 6890 vertices, counted from 0; -1 off the body.

        Raises:
            ValueError: The surface came without UV_Processed.mat, which names them.
        """
        base = self.surface.base_atlas
        if base is None:
            raise ValueError(
                f"surface {self.surface.name!r} does not know SMPL's vertices: load the folder of "
                "the official files with UV_Processed.mat in it (docs/surface.md, 'Official files')"
            )
        return base.nearest_mesh_vertex(self.charts, *self.uv.T)

    def vertices_by(self, correspondence: str | Path | ArrayLike) -> NDArray[np.int64]:
        """Return the vertices of another mesh (SMPL-X, a scan), by a table of one's own.

        Args:
            correspondence: (V,) for each vertex of the surface the vertex of the other mesh, -1
                for none; or a .npy file that holds it.

        Returns:
            (P,) vertices of the other mesh, -1 where there is none.

        Raises:
            ValueError: The table is not (V,) whole numbers from -1.
        """
        if isinstance(correspondence, str | Path):
            table = read_array(correspondence, what="vertices")
        else:
            table = np.asarray(correspondence)
        count = self.surface.num_mesh_vertices
        if table.shape != (count,) or table.dtype.kind not in "iu" or table.min() < -1:
            raise ValueError(
                f"correspondence is {table.shape} {table.dtype}; expected ({count},) whole numbers "
                f"from -1, one for each vertex of surface {self.surface.name!r}"
            )
        found = table[np.maximum(self.vertices, 0)].astype(np.int64)
        return np.where(self.vertices >= 0, found, -1)

    @cached_property
    def _located(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        return self.surface.atlas.locate(self.charts, *self.uv.T)

    @property
    def triangles(self) -> NDArray[np.int64]:
        """(P,) rows of `surface.atlas.faces`; -1 off the body."""
        return self._located[0]

    @property
    def barycentric(self) -> NDArray[np.float64]:
        """(P, 3) weights of the corners of `triangles`; 0 off the body."""
        return self._located[1]

    def positions(self, vertices: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return the points in space.

        Args:
            vertices: (V, 3) vertices of a posed mesh with the surface's numbering; by default the
                rest pose.

        Returns:
            (P, 3), in the unit of `vertices` (metres in the rest pose); NaN off the body.

        Raises:
            ValueError: Another number of vertices, or the surface came without a rest pose.
        """
        if vertices is not None and np.shape(vertices)[:1] != (self.surface.num_mesh_vertices,):
            raise ValueError(
                f"vertices are {np.shape(vertices)}; surface {self.surface.name!r} has "
                f"{self.surface.num_mesh_vertices}"
            )
        on_body = self.triangles >= 0
        points = np.full((len(self), 3), np.nan)
        points[on_body] = self.surface.atlas.points(
            self.triangles[on_body], self.barycentric[on_body], vertices
        )
        return points

    def distances_m(self, other: BodyPoints) -> NDArray[np.float64]:
        """Return the distance along the skin to other points, one by one.

        Args:
            other: P points on the same surface, of this picture or of another one.

        Returns:
            (P,) metres between the nearest vertices; inf where a point is off the body.

        Raises:
            ValueError: Another number of points, or another surface.
        """
        if len(self) != len(other) or self.surface is not other.surface:
            raise ValueError(
                f"{len(self)} points on {self.surface.name!r} and {len(other)} on "
                f"{other.surface.name!r}: distances go between equally many on one surface"
            )
        distance = self.surface.geodesics.distance(self.vertices, other.vertices)
        return np.asarray(distance, dtype=np.float64)

    def pixels_of(self, vertex: int) -> NDArray[np.int64]:
        """Return (Q, 2) pixels whose nearest vertex this is; none where it is hidden."""
        return self.xy[self.vertices == vertex]

    def seen_vertices(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the vertices that pixels show, and where.

        Returns:
            (S,) vertex ids in ascending order, and (S, 2) the mean column and row of the pixels
            that show each.
        """
        on_body = self.vertices >= 0
        ids, place = np.unique(self.vertices[on_body], return_inverse=True)
        count = np.bincount(place, minlength=len(ids))
        sums = [np.bincount(place, weights=axis, minlength=len(ids)) for axis in self.xy[on_body].T]
        return ids, np.stack(sums, axis=1) / np.maximum(count, 1)[:, None]


def body_points(
    labels: ArrayLike,
    uv: ArrayLike,
    *,
    surface: BodySurface,
    origin_xy: tuple[int, int] = (0, 0),
    points_xy: ArrayLike | None = None,
) -> BodyPoints:
    """Return the pixels of a chart map as points of the body.

    Args:
        labels: (H, W) charts, 0 off the body.
        uv: (2, H, W) U and V in [0, 1].
        surface: The body.
        origin_xy: Column and row of the map's top-left pixel in the image.
        points_xy: (P, 2) image positions to look at, each in the pixel that contains it; None: all
            pixels of the body, row by row.

    Returns:
        The points.

    Raises:
        ValueError: Maps of different sizes, or positions that are not finite.
    """
    charts, coordinates = np.asarray(labels), np.asarray(uv, dtype=np.float64)
    if charts.ndim != 2 or coordinates.shape != (2, *charts.shape):
        raise ValueError(f"labels {charts.shape} and uv {coordinates.shape} differ in size")
    x0, y0 = origin_xy
    if points_xy is None:
        rows, columns = np.nonzero(charts)
    else:
        given = np.asarray(points_xy, dtype=np.float64).reshape(-1, 2)
        if not np.isfinite(given).all():
            raise ValueError("points_xy hold positions that are not finite")
        columns, rows = (np.floor(given) - (x0, y0)).astype(np.int64).T
    inside = (columns >= 0) & (columns < charts.shape[1]) & (rows >= 0) & (rows < charts.shape[0])
    row, column = np.where(inside, rows, 0), np.where(inside, columns, 0)
    found: NDArray[np.int64] = np.zeros(len(rows), dtype=np.int64)
    places: NDArray[np.float64] = np.zeros((len(rows), 2))
    if inside.any():
        found = np.where(inside, charts[row, column].astype(np.int64), 0)
        places = np.where(found[:, None] > 0, coordinates[:, row, column].T, 0.0)
    xy = np.stack([columns + x0, rows + y0], axis=1).astype(np.int64)
    return BodyPoints(xy, found, places, surface)
