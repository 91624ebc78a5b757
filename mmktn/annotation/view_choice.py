"""From where to look at a body part, so that six pictures show all of it.

The DensePose paper shows annotators six rendered views of a part (section 2, stage 2) and does not
say which. Here they are chosen greedily from 26 directions (faces, edges and corners of a cube in
the part's own frame): each next view adds most to how frontally the surface is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.orthographic import OrthographicView, look_from
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.mesh import SurfaceMesh
from mmktn.surface.parts import COARSE_TO_CHARTS

_TRIAL_SIZE = 96
_MARGIN = 0.46
_GRAZING = 0.15
"""A vertex whose normal is nearer than this (cosine) to the picture plane is not seen."""


def part_faces(
    surface: BodySurface, part: int, charts: Sequence[int] | None = None
) -> NDArray[np.int64]:
    """Return the ids of the atlas faces of a part.

    Args:
        surface: The body.
        part: 1..14.
        charts: Charts of the part; None: those of the coarse part.

    Raises:
        ValueError: Unknown part, or the body has no face on these charts.
    """
    if charts is None:
        if part not in COARSE_TO_CHARTS:
            raise ValueError(f"part must be one of {sorted(COARSE_TO_CHARTS)}, got {part}")
        charts = COARSE_TO_CHARTS[part]
    faces = np.flatnonzero(np.isin(surface.atlas.face_charts, charts))
    if not len(faces):
        raise ValueError(f"{surface.name} has no face on the charts {list(charts)}")
    return faces


def choose_views(
    mesh: SurfaceMesh, faces: NDArray[np.int64], *, count: int, size: int
) -> list[OrthographicView]:
    """Choose views of some faces of a mesh.

    Args:
        mesh: The body.
        faces: (F, 3) mesh faces of the part.
        count: Number of views.
        size: Side of the square pictures in pixels; all have one scale.

    Returns:
        The views, the most telling one first.
    """
    vertices = np.unique(faces)
    points = mesh.vertices[vertices]
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = np.linalg.norm(points - centre, axis=1).max()
    up, front = _part_frame(points, mesh.vertex_areas[vertices])
    frame = np.stack([np.cross(up, front), up, front])
    directions = [np.array(d) @ frame for d in product((-1, 0, 1), repeat=3) if any(d)]

    def view(direction: NDArray[np.float64], side: int) -> OrthographicView:
        axes = look_from(direction, up, front)
        return OrthographicView(axes, centre, _MARGIN * side / radius, side, side)

    trials = [_frontality(view(d, _TRIAL_SIZE), mesh, faces, vertices) for d in directions]
    chosen: list[int] = []
    best: NDArray[np.float64] = np.zeros(len(vertices))
    areas = mesh.vertex_areas[vertices]
    for _ in range(count):
        gains = [float(areas @ np.maximum(best, trial)) for trial in trials]
        # Nothing to add: the view of the largest part of the surface that is not taken yet.
        order = sorted(range(len(trials)), key=lambda k: (gains[k], areas @ trials[k]))
        chosen.append(next(k for k in reversed(order) if k not in chosen))
        best = np.maximum(best, trials[chosen[-1]])
    return [view(directions[k], size) for k in chosen]


def _frontality(
    view: OrthographicView,
    mesh: SurfaceMesh,
    faces: NDArray[np.int64],
    vertices: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return (N,) cosine between normal and viewing direction, 0 where a vertex is not seen."""
    raster = view.raster(mesh.vertices, faces)
    surface_height = np.full(raster.hit.shape, -np.inf)
    heights = view.project(mesh.vertices)[:, 2]
    surface_height[raster.hit] = raster.interpolate(heights[faces], raster.hit)
    screen = view.project(mesh.vertices[vertices])
    column, row = np.clip(screen[:, :2], 0, [view.width - 1, view.height - 1]).astype(int).T
    cosine = mesh.vertex_normals[vertices] @ view.axes[2]
    # Half a pixel of parallax on the steepest surface that still counts.
    slack = 1.0 / (view.pixels_per_m * _GRAZING)
    seen = (screen[:, 2] > surface_height[row, column] - slack) & (cosine > _GRAZING)
    return np.where(seen, cosine, 0.0)


def _part_frame(
    points: NDArray[np.float64], areas: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the long axis of a part, pointing upwards, and the side that the body shows in front."""
    mean = areas @ points / areas.sum()
    spread = (points - mean) * np.sqrt(areas)[:, None]
    long_axis = np.linalg.svd(spread, full_matrices=False)[2][0]
    long_axis = long_axis * (1.0 if long_axis[1] >= 0 else -1.0)
    forward = np.array([0.0, 0.0, 1.0])
    if abs(long_axis[2]) > 0.8:  # a foot: its picture from above is the one to begin with
        forward = np.array([0.0, 1.0, 0.0])
    forward = forward - (forward @ long_axis) * long_axis
    return long_axis, forward / np.linalg.norm(forward)
