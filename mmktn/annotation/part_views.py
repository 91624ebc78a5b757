"""Six pictures of a body part that can be clicked on.

DensePose paper, section 2: an annotator places each image point on one of six pre-rendered views
of its part, and sees where the clicked point lies in the others. The pictures come with maps that
answer a click without the mesh: chart, U, V, nearest vertex and position of every pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.orthographic import OrthographicView, Paint, apply_projection, draw
from mmktn.annotation.view_choice import choose_views, part_faces
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.mesh import SurfaceMesh
from mmktn.surface.parts import COARSE_PART_NAMES
from mmktn.surface.rasterize import RasterResult
from mmktn.utils.array_files import read_arrays
from mmktn.utils.output_files import replace_atomically

NUM_VIEWS = 6
_MAX_SIZE = 4096
_GRID_LINES = 8
_CHART_TONES = np.array([[196.0, 208.0, 222.0], [224.0, 208.0, 188.0]])
_DOT = np.array([214, 30, 60], np.uint8)


@dataclass(frozen=True)
class SurfacePoint:
    """A point of the body surface.

    Attributes:
        chart: 1..24.
        u: In [0, 1].
        v: In [0, 1].
        vertex: Nearest mesh vertex of its face.
        position: (3,) metres, rest body.
    """

    chart: int
    u: float
    v: float
    vertex: int
    position: NDArray[np.float64]


@dataclass(frozen=True)
class PartViews:
    """Views of one part; N of them, S x S pixels each.

    Attributes:
        part: Coarse part 1..14.
        pictures: (N, S, S, 3) uint8 RGB.
        chart: (N, S, S) uint8, 0 beside the part.
        uv: (N, S, S, 2) float32.
        vertex: (N, S, S) int32 mesh vertex, -1 beside the part.
        position: (N, S, S, 3) float32 metres, nan beside the part.
        projections: (N, 3, 4) body point (m) -> x, y (pixels), height towards the viewer (m).
    """

    part: int
    pictures: NDArray[np.uint8]
    chart: NDArray[np.uint8]
    uv: NDArray[np.float32]
    vertex: NDArray[np.int32]
    position: NDArray[np.float32]
    projections: NDArray[np.float64]

    @property
    def size(self) -> int:
        """Side of the pictures in pixels."""
        return self.chart.shape[1]

    @property
    def pixels_per_m(self) -> float:
        """Scale of the pictures."""
        return float(np.linalg.norm(self.projections[0, 0, :3]))

    def pick(self, view: int, x: float, y: float) -> SurfacePoint | None:
        """Return what a click hits.

        Args:
            view: Number of the view, from 0.
            x: Pixels from the left edge.
            y: Pixels from the upper edge.

        Returns:
            The surface point in the middle of the pixel, None beside the part.

        Raises:
            IndexError: No such view, or a place outside the picture.
        """
        if not 0 <= view < len(self.chart):
            raise IndexError(f"view {view}: there are {len(self.chart)}")
        if not (0 <= x < self.size and 0 <= y < self.size):
            raise IndexError(f"({x}, {y}) lies outside the picture of {self.size} pixels")
        at = (view, int(y), int(x))
        if not self.chart[at]:
            return None
        u, v = self.uv[at].tolist()
        position = self.position[at].astype(np.float64)
        return SurfacePoint(int(self.chart[at]), u, v, int(self.vertex[at]), position)

    def find(self, position: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Tell where a body point lies in all views.

        Args:
            position: (3,) metres.

        Returns:
            (N, 2) x, y in pixels, and (N,) whether it is seen there.
        """
        places = np.stack([apply_projection(p, position[None])[0, :2] for p in self.projections])
        seen = np.array([self._shows(k, places[k], position) for k in range(len(places))])
        return places, seen

    def mark(self, position: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return pictures with a body point drawn in: a disc where it is seen, a ring where hidden.

        Args:
            position: (3,) metres.

        Returns:
            (N, S, S, 3) uint8 RGB.
        """
        marked = self.pictures.copy()
        rows, columns = np.mgrid[0 : self.size, 0 : self.size] + 0.5
        radius = max(self.size / 40, 3.0)
        for picture, (x, y), seen in zip(marked, *self.find(position), strict=True):
            distance = np.hypot(columns - x, rows - y)
            picture[(distance < radius) & (seen | (distance > radius - 1.6))] = _DOT
        return marked

    def save(self, path: str | Path) -> Path:
        """Write everything to an .npz, which `load` reads without the surface."""
        path = Path(path)
        values: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        with replace_atomically(path) as file:
            np.savez_compressed(file, **values)
        return path

    @classmethod
    def load(cls, path: str | Path) -> PartViews:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: No such file.
            ValueError: Another kind of file.
        """
        names = [field.name for field in fields(cls)]
        values: dict[str, Any] = read_arrays(path, names, what="part views", max_bytes=1 << 30)
        return cls(**{**values, "part": int(values["part"])})

    def _shows(self, view: int, place: NDArray[np.float64], position: NDArray[np.float64]) -> bool:
        """Whether the surface around a pixel is the given point, and not something in front."""
        column, row = place.astype(np.int64)
        around = self.position[view, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        if not around.size or np.isnan(around).all():
            return False
        gap = np.nanmin(np.linalg.norm(around - position, axis=-1))
        return bool(gap * self.pixels_per_m < 2.0)


def render_part_views(
    surface: BodySurface,
    part: int,
    *,
    charts: Sequence[int] | None = None,
    size: int = 256,
    count: int = NUM_VIEWS,
) -> PartViews:
    """Draw a part from several sides, cut out of the body.

    Args:
        surface: A surface with a mesh.
        part: Coarse part 1..14, or any number with `charts`.
        charts: Charts of the part; None: those of the coarse part.
        size: Side of the square pictures in pixels.
        count: Number of views.

    Returns:
        The views.

    Raises:
        ValueError: Unknown part, another size, or the surface has no mesh.
    """
    if not 16 <= size <= _MAX_SIZE:
        raise ValueError(f"size {size}: pictures have 16 to {_MAX_SIZE} pixels a side")
    mesh = cast("SurfaceMesh", surface.require("mesh").mesh)
    ids = part_faces(surface, part, charts)
    faces = surface.atlas.mesh_faces[ids]
    views = choose_views(mesh, faces, count=count, size=size)
    maps = [_pick_maps(view, surface, mesh.vertices, ids) for view in views]
    return PartViews(
        part=part,
        pictures=np.stack([draw(view, mesh, faces, _paint(surface, ids)) for view in views]),
        chart=np.stack([m[0] for m in maps]),
        uv=np.stack([m[1] for m in maps]),
        vertex=np.stack([m[2] for m in maps]),
        position=np.stack([m[3] for m in maps]),
        projections=np.stack([view.projection for view in views]),
    )


def part_title(part: int) -> str:
    """Name of a part for file names, such as `06_upper_leg_right`.

    Raises:
        ValueError: Unknown part.
    """
    if not 1 <= part < len(COARSE_PART_NAMES):
        raise ValueError(f"part {part}: coarse parts are 1 to {len(COARSE_PART_NAMES) - 1}")
    return f"{part:02d}_{COARSE_PART_NAMES[part].lower().replace(' ', '_')}"


def _pick_maps(
    view: OrthographicView,
    surface: BodySurface,
    vertices: NDArray[np.float64],
    ids: NDArray[np.int64],
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Return the chart, U and V, vertex and position of every pixel."""
    atlas = surface.atlas
    faces = atlas.mesh_faces[ids]
    raster = view.raster(vertices, faces)
    hit = raster.hit
    chart = np.zeros(hit.shape, np.uint8)
    uv = np.zeros((*hit.shape, 2), np.float32)
    vertex = np.full(hit.shape, -1, np.int32)
    position = np.full((*hit.shape, 3), np.nan, np.float32)
    seen = raster.face_ids[hit]
    chart[hit] = atlas.face_charts[ids][seen]
    uv[hit] = raster.interpolate(atlas.uv[atlas.faces[ids]], hit)
    nearest = raster.barycentric[hit].argmax(axis=1)
    vertex[hit] = faces[seen, nearest]
    position[hit] = raster.interpolate(vertices[faces], hit)
    return chart, uv, vertex, position


def _paint(surface: BodySurface, ids: NDArray[np.int64]) -> Paint:
    """Return two tones for charts of a part, darker lines of equal U and V, dark chart borders."""
    atlas = surface.atlas
    charts = np.unique(atlas.face_charts[ids])

    def paint(raster: RasterResult, hit: NDArray[np.bool_]) -> NDArray[np.float64]:
        number = np.full(hit.shape, -1)
        number[hit] = np.searchsorted(charts, atlas.face_charts[ids][raster.face_ids[hit]])
        cells = np.zeros((*hit.shape, 2))
        cells[hit] = np.floor(_GRID_LINES * raster.interpolate(atlas.uv[atlas.faces[ids]], hit))
        shade = np.ones(hit.shape)
        for axis in (0, 1):
            other = np.roll(number, 1, axis)
            same = (number == other) & hit
            crossed = (cells != np.roll(cells, 1, axis)).any(axis=-1) & same
            shade[crossed] = 0.8
            shade[(number != other) & (number >= 0) & (other >= 0)] = 0.45
        return _CHART_TONES[number[hit] % 2] * shade[hit][:, None]

    return paint
