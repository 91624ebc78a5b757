"""Fine triangle mesh of the zero level of a field, one half of a mirror-symmetric body."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

_BLOCK = 8


def polygonise_half(
    field: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    *,
    voxel: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Marching cubes on x >= 0; the open rim lies exactly in the plane x = 0.

    Only blocks of cells near the surface are evaluated finely.

    Args:
        field: (N, 3) -> (N,), negative inside.
        low: Lower corner; its x must be 0.
        high: Upper corner.
        voxel: Cell size in metres.

    Returns:
        Vertices (V, 3) and faces (F, 3), normals outward.
    """
    blocks = np.ceil((np.array(high) - np.array(low)) / (voxel * _BLOCK)).astype(int)
    axes = [low[k] + voxel * np.arange(blocks[k] * _BLOCK + 1) for k in range(3)]
    coarse_axes = [axis[::_BLOCK] for axis in axes]
    coarse = field(_grid(coarse_axes)).reshape([len(a) for a in coarse_axes])
    corners = np.stack(
        [
            coarse[i : i + blocks[0], j : j + blocks[1], k : k + blocks[2]]
            for i in (0, 1)
            for j in (0, 1)
            for k in (0, 1)
        ]
    )
    near = np.abs(corners).min(axis=0) < 2.2 * voxel * _BLOCK
    sign = np.where(corners[0] < 0, -1.0, 1.0)
    values = np.ones([len(a) for a in axes])
    for index in np.ndindex(*blocks):
        window = tuple(slice(i * _BLOCK, (i + 1) * _BLOCK + 1) for i in index)
        values[window] = sign[index]
    for index in np.argwhere(near):
        window = tuple(slice(i * _BLOCK, (i + 1) * _BLOCK + 1) for i in index)
        local = [axis[part] for axis, part in zip(axes, window, strict=True)]
        values[window] = field(_grid(local)).reshape([len(a) for a in local])
    # a corner exactly on the surface would give triangles of no area
    values[np.abs(values) < 1e-3 * voxel] = 1e-3 * voxel
    vertices, faces, _, _ = marching_cubes(
        values, 0.0, spacing=(voxel, voxel, voxel), gradient_direction="descent"
    )
    vertices = vertices.astype(np.float64) + np.array(low)
    vertices[vertices[:, 0] < 1e-7, 0] = 0.0
    return vertices, faces.astype(np.int64)


def _grid(axes: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
