"""Keypoint heat-maps -> positions, in numpy: the refinement of STIP's official inference.

Each map is blurred (7x7 Gaussian), stretched back to its old maximum and clipped; its logarithm
gives one Newton step from the arg-max.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_FLOOR, _CEILING = 1e-3, 50.0


def modulate(heatmaps: NDArray[np.float32], blur_kernel_size: int = 7) -> NDArray[np.float32]:
    """Blur each map and take its logarithm.

    Args:
        heatmaps: Maps ``(K, h, w)``; not changed.
        blur_kernel_size: Side of the Gaussian, odd; its deviation is
            ``0.3 * ((side - 1) / 2 - 1) + 0.8`` cells.

    Returns:
        Log maps ``(K, h, w)`` in [log 1e-3, log 50].
    """
    side = (blur_kernel_size, blur_kernel_size)
    blurred = np.stack([cv2.GaussianBlur(heatmap, side, 0) for heatmap in heatmaps])
    low = blurred.min((1, 2), keepdims=True)
    span = blurred.max((1, 2), keepdims=True) - low
    # A constant map has no span and no maximum to restore.
    stretched = (blurred - low) / np.where(span > 0, span, 1) * heatmaps.max((1, 2), keepdims=True)
    return np.log(np.clip(stretched, _FLOOR, _CEILING))


def newton_step(
    log_maps: NDArray[np.float32], cells_xy: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Find the step from a cell to the maximum of the parabola fitted around it.

    Args:
        log_maps: Log maps ``(K, h, w)``; outside them the border value continues.
        cells_xy: One cell a map ``(K, 2)``, inside it.

    Returns:
        Steps ``(K, 2)`` in cells, x before y.
    """
    padded = np.pad(log_maps.astype(np.float64), ((0, 0), (1, 1), (1, 1)), mode="edge")
    k = np.arange(len(log_maps))
    x, y = cells_xy.astype(np.int64).T + 1
    centre = padded[k, y, x]
    right, left = padded[k, y, x + 1], padded[k, y, x - 1]
    below, above = padded[k, y + 1, x], padded[k, y - 1, x]
    gradient = np.stack([right - left, below - above], axis=1) / 2
    xx = right - 2 * centre + left
    yy = below - 2 * centre + above
    diagonal = padded[k, y + 1, x + 1] + padded[k, y - 1, x - 1]
    xy = (diagonal - right - left - below - above + 2 * centre) / 2
    # The official code keeps a flat map invertible with float32's epsilon.
    epsilon = np.finfo(np.float32).eps
    xx, yy = xx + epsilon, yy + epsilon
    determinant = xx * yy - xy**2
    solvable = determinant != 0
    adjugate = np.stack([np.stack([yy, -xy], axis=1), np.stack([-xy, xx], axis=1)], axis=1)
    step = -(adjugate @ gradient[..., None])[..., 0]
    return np.where(solvable[:, None], step / np.where(solvable, determinant, 1)[:, None], 0.0)


def heatmap_maxima(
    heatmaps: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the cell (K, 2), x before y, and value (K,) of the maximum of each map (K, h, w).

    A map whose maximum is not positive gives cell (-1, -1), as everywhere in mmpose.
    """
    flat = heatmaps.reshape(len(heatmaps), -1)
    rows, columns = np.divmod(flat.argmax(axis=1), heatmaps.shape[2])
    scores = flat.max(axis=1)
    cells = np.stack((columns, rows), axis=-1).astype(np.float32)
    cells[scores <= 0] = -1
    return cells, scores


def refined_keypoints(
    encoded: NDArray[np.float32], blur_kernel_size: int = 7
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Read one position a map.

    Args:
        encoded: Heat-maps ``(K, h, w)``.
        blur_kernel_size: As in `modulate`.

    Returns:
        Positions ``(K, 2)`` in cells, x before y, and scores (maxima of the maps) ``(K,)``.
    """
    heatmaps = np.asarray(encoded, dtype=np.float32)
    cells, scores = heatmap_maxima(heatmaps)
    found = scores > 0
    keypoints = cells.astype(np.float64)
    if found.any():
        maps = modulate(heatmaps[found], blur_kernel_size)
        keypoints[found] += newton_step(maps, cells[found])
    return keypoints, scores


def stepped_keypoints(
    heatmaps: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """As `refined_keypoints`, a quarter of a cell towards the higher neighbour (SimpleBaseline)."""
    cells, scores = heatmap_maxima(heatmaps)
    height, width = heatmaps.shape[1:]
    keypoints = cells.astype(np.float64)
    for k, (x, y) in enumerate(cells.astype(int)):
        if 1 < x < width - 1 and 0 < y < height:
            keypoints[k, 0] += np.sign(heatmaps[k, y, x + 1] - heatmaps[k, y, x - 1]) * 0.25
        if 1 < y < height - 1 and 0 < x < width:
            keypoints[k, 1] += np.sign(heatmaps[k, y + 1, x] - heatmaps[k, y - 1, x]) * 0.25
    return keypoints, scores
