"""Choosing the pixels that an annotator would be asked about.

Source: the DensePose annotation pipeline (DensePose paper, section 2: k-means over the pixels of a
part gives roughly equidistant points, at most 14 a part). The number of points for smaller parts is
not published; here one point stands for 64 cells of the 256 x 256 grid of the person's box.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GRID = 256
MAX_POINTS_PER_PART = 14
CELLS_PER_POINT = 64.0
_ITERATIONS = 20
_MAX_PIXELS = 900


def point_count(area: float) -> int:
    """Number of points for a visible part.

    Args:
        area: area of the part in cells of the annotation grid.

    Returns:
        1 to 14, growing with the area.
    """
    return int(min(MAX_POINTS_PER_PART, max(1, round(area / CELLS_PER_POINT))))


def simulate_points(
    pixels_xy: NDArray[np.int64], cell_size: tuple[float, float], *, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Pick roughly equidistant pixels of one part.

    Args:
        pixels_xy: (N, 2) integer x, y of the part's visible pixels in the image.
        cell_size: width and height of an image pixel in cells of the annotation grid, (256 / box
            width, 256 / box height).
        rng: source of the seeds.

    Returns:
        (k,) different rows of `pixels_xy`, ascending, k <= min(14, N). Distances are those of the
        annotation grid.

    Raises:
        ValueError: the part has no pixel.
    """
    if len(pixels_xy) == 0:
        raise ValueError("simulate_points: the part has no visible pixel")
    count = min(point_count(len(pixels_xy) * cell_size[0] * cell_size[1]), len(pixels_xy))
    positions = pixels_xy * np.asarray(cell_size)
    if len(positions) > _MAX_PIXELS:
        sample = positions[rng.permutation(len(positions))[:_MAX_PIXELS]]
    else:
        sample = positions
    centres = _k_means(sample, _seeds(sample, count, rng))
    distance = ((positions[None] - centres[:, None]) ** 2).sum(axis=2)
    return np.unique(distance.argmin(axis=1))


def _seeds(
    positions: NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """k-means++: the next seed's probability grows with the squared distance to those chosen."""
    chosen = [int(rng.integers(len(positions)))]
    nearest = ((positions - positions[chosen[0]]) ** 2).sum(axis=1)
    for _ in range(count - 1):
        total = np.cumsum(nearest)
        chosen.append(int(np.searchsorted(total, rng.random() * total[-1], side="right")))
        nearest = np.minimum(nearest, ((positions - positions[chosen[-1]]) ** 2).sum(axis=1))
    return positions[chosen]


def _k_means(positions: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lloyd iterations until nothing moves, at most `_ITERATIONS`."""
    squared = (positions**2).sum(axis=1)
    labels = np.full(len(positions), -1)
    for _ in range(_ITERATIONS):
        distance = squared[:, None] - 2 * positions @ centres.T + (centres**2).sum(axis=1)
        new_labels = distance.argmin(axis=1)
        if np.array_equal(new_labels, labels):
            break
        labels = new_labels
        counts = np.bincount(labels, minlength=len(centres))
        sums = [np.bincount(labels, positions[:, k], len(centres)) for k in range(2)]
        filled = counts > 0
        centres = centres.copy()
        centres[filled] = np.stack(sums, axis=1)[filled] / counts[filled, None]
    return centres
