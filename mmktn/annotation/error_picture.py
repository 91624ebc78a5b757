"""The body from front and back, coloured by a value of each vertex."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmktn.annotation.orthographic import OrthographicView, Paint, draw, look_from
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.mesh import SurfaceMesh
from mmktn.surface.rasterize import RasterResult

# Dark blue, teal, yellow, red: readable on white, in order also without colour vision.
_RAMP = np.array([[38, 52, 120], [44, 140, 150], [240, 210, 90], [190, 40, 40]], np.float64)


def draw_vertex_values(
    surface: BodySurface, values: ArrayLike, *, upper: float, height: int = 480
) -> NDArray[np.uint8]:
    """Draw the two broad sides (front and back of a person), with the scale at the right.

    Args:
        surface: A surface with a mesh.
        values: (V,) value of each vertex.
        upper: Value that gets the last colour; 0 gets the first.
        height: Rows of the picture.

    Returns:
        (H, W, 3) uint8 RGB; the bar runs from 0 below to `upper` above.

    Raises:
        ValueError: The surface has no mesh, another number of values, or `upper` is not positive.
    """
    mesh = cast("SurfaceMesh", surface.require("mesh").mesh)
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (mesh.num_vertices,):
        raise ValueError(
            f"values: shape {numbers.shape}, the mesh has {mesh.num_vertices} vertices"
        )
    if not upper > 0:
        raise ValueError(f"upper must be positive, got {upper}")
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    scale = 0.95 * height / (high[1] - low[1])
    # An animal on four legs is broad when seen from its side.
    wide = 0 if high[0] - low[0] >= high[2] - low[2] else 2
    width = int((high[wide] - low[wide]) * scale + 0.05 * height)
    panels = []
    for sign in (1.0, -1.0):
        direction = (0.0, 0.0, sign) if wide == 0 else (sign, 0.0, 0.0)
        axes = look_from(direction, (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
        view = OrthographicView(axes, (low + high) / 2, scale, height, width)
        panels.append(draw(view, mesh, mesh.faces, _paint(mesh, numbers / upper)))
    return np.concatenate([*panels, _scale_bar(height)], axis=1)


def colours_of(shares: ArrayLike) -> NDArray[np.float64]:
    """Return (..., 3) RGB 0..255 of numbers in 0..1; others get the colour at the end."""
    places = np.clip(np.asarray(shares, dtype=np.float64), 0, 1) * (len(_RAMP) - 1)
    low = np.minimum(places.astype(np.int64), len(_RAMP) - 2)
    share = (places - low)[..., None]
    return _RAMP[low] * (1 - share) + _RAMP[low + 1] * share


def _paint(mesh: SurfaceMesh, shares: NDArray[np.float64]) -> Paint:
    def paint(raster: RasterResult, hit: NDArray[np.bool_]) -> NDArray[np.float64]:
        return colours_of(raster.interpolate(shares[mesh.faces], hit))

    return paint


def _scale_bar(height: int) -> NDArray[np.uint8]:
    """Return a bar of all colours with a white rim."""
    bar = np.full((height, 44, 3), 255, np.uint8)
    rows = np.arange(height // 8, height - height // 8)
    shares = np.linspace(1, 0, len(rows))
    bar[rows, 8:24] = colours_of(shares)[:, None].astype(np.uint8)
    return bar
