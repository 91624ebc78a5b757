"""Pictures of the body surface without perspective: where a point lands, what a pixel shows.

Frame: body coordinates in metres as in `SurfaceMesh`; pictures in pixels, x right, y down, the
centre of pixel i at i + 0.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmktn.surface.mesh import SurfaceMesh
from mmktn.surface.rasterize import RasterResult, rasterize

_FAR_M = 1e4
"""Distance of the camera: the rasteriser is a pinhole's, from here its rays are parallel."""
_KEY = np.array([0.35, 0.55, 0.75]) / np.linalg.norm([0.35, 0.55, 0.75])
_FILL = np.array([-0.8, 0.1, 0.4]) / np.linalg.norm([-0.8, 0.1, 0.4])
_SAMPLES = 2

Paint = Callable[[RasterResult, NDArray[np.bool_]], NDArray[np.float64]]
"""Colours (P, 3) RGB 0..255 of the hit pixels, before light."""


@dataclass(frozen=True)
class OrthographicView:
    """A camera at infinity.

    Attributes:
        axes: (3, 3) rows: right, up and towards the viewer, in body coordinates.
        centre: (3,) body point in the middle of the picture.
        pixels_per_m: Scale.
        height: Rows.
        width: Columns.
    """

    axes: NDArray[np.float64]
    centre: NDArray[np.float64]
    pixels_per_m: float
    height: int
    width: int

    @property
    def projection(self) -> NDArray[np.float64]:
        """(3, 4) affine map of body points to x, y (pixels) and height towards the viewer (m)."""
        rows = self.axes * np.array([self.pixels_per_m, -self.pixels_per_m, 1.0])[:, None]
        middle = np.array([self.width / 2, self.height / 2, 0.0])
        return np.concatenate([rows, (middle - rows @ self.centre)[:, None]], axis=1)

    def project(self, points: ArrayLike) -> NDArray[np.float64]:
        """Project body points (N, 3); gives (N, 3) x, y in pixels and height in metres."""
        return apply_projection(self.projection, points)

    def raster(self, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> RasterResult:
        """Return what is seen of a mesh.

        Args:
            vertices: (V, 3) metres.
            faces: (F, 3).

        Returns:
            The raster; its depths are not used.
        """
        screen = self.project(vertices)
        screen[:, 2] = _FAR_M - screen[:, 2]
        return rasterize(screen, faces, height=self.height, width=self.width)


def apply_projection(projection: ArrayLike, points: ArrayLike) -> NDArray[np.float64]:
    """Map points (N, 3) by an affine (3, 4)."""
    matrix = np.asarray(projection, dtype=np.float64)
    return np.asarray(points, dtype=np.float64) @ matrix[:, :3].T + matrix[:, 3]


def look_from(direction: ArrayLike, up: ArrayLike, other_up: ArrayLike) -> NDArray[np.float64]:
    """Return the axes of a view.

    Args:
        direction: (3,) from the object to the viewer.
        up: (3,) what shall point up in the picture.
        other_up: (3,) stands in where `up` points at the viewer.

    Returns:
        (3, 3) rows right, up, towards the viewer.
    """
    towards = _unit(np.asarray(direction, dtype=np.float64))
    for candidate in (up, other_up):
        upward = np.asarray(candidate, dtype=np.float64)
        upward = upward - (upward @ towards) * towards
        if np.linalg.norm(upward) > 0.1:
            break
    upward = _unit(upward)
    return np.stack([np.cross(upward, towards), upward, towards])


def draw(
    view: OrthographicView, mesh: SurfaceMesh, faces: NDArray[np.int64], paint: Paint
) -> NDArray[np.uint8]:
    """Draw a mesh on white, lit and with smooth edges.

    Args:
        view: The camera.
        mesh: Positions and normals.
        faces: (F, 3) the faces to draw.
        paint: Colours of the surface.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    fine = OrthographicView(
        view.axes,
        view.centre,
        view.pixels_per_m * _SAMPLES,
        view.height * _SAMPLES,
        view.width * _SAMPLES,
    )
    raster = fine.raster(mesh.vertices, faces)
    hit = raster.hit
    normals = raster.interpolate(mesh.vertex_normals[faces], hit) @ view.axes.T
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    light = 0.42 + 0.58 * np.clip(normals @ _KEY, 0, 1) + 0.14 * np.clip(normals @ _FILL, 0, 1)
    picture = np.full((*hit.shape, 3), 255.0)
    picture[hit] = paint(raster, hit) * np.minimum(light, 1.08)[:, None]
    blocks = picture.reshape(view.height, _SAMPLES, view.width, _SAMPLES, 3)
    return np.clip(blocks.mean(axis=(1, 3)), 0, 255).round().astype(np.uint8)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)
