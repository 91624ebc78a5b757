"""Choosing the pixels that an annotator would be asked about.

Source: the DensePose annotation pipeline (DensePose paper, section 2: k-means over the pixels of a
part gives roughly equidistant points, at most 14 a part). The number of points for smaller parts is
not published; here one point stands for 64 cells of the 256 x 256 grid of the person's box.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmktn.surface.parts import NUM_COARSE

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


def sample_parts(
    parts: NDArray[np.integer],
    pixels_xy: NDArray[np.int64],
    cell_size: tuple[float, float],
    *,
    rng: np.random.Generator,
    num_parts: int = NUM_COARSE,
) -> NDArray[np.int64]:
    """Pick pixels of every part of a person.

    Args:
        parts: (N,) part 1..num_parts of each of the person's pixels; 0 is left out.
        pixels_xy: (N, 2) integer x, y of these pixels.
        cell_size: as in `simulate_points`.
        rng: source of the seeds.
        num_parts: 14 coarse parts, or those of another body.

    Returns:
        (P,) different rows, grouped by part.
    """
    chosen: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for part in range(1, num_parts + 1):
        members = np.nonzero(parts == part)[0]
        if len(members):
            chosen.append(members[simulate_points(pixels_xy[members], cell_size, rng=rng)])
    return np.concatenate(chosen)


@dataclass(frozen=True)
class SampledPoints:
    """Points of a person to be annotated.

    Attributes:
        pixels_xy: (P, 2) integer pixels of the part map.
        grid_xy: (P, 2) `dp_x`, `dp_y`: their centres on the 256 x 256 grid over the box.
        parts: (P,) coarse part 1..14.
        box_xywh: (4,) the box that the grid covers, pixels.
    """

    pixels_xy: NDArray[np.int64]
    grid_xy: NDArray[np.float64]
    parts: NDArray[np.int64]
    box_xywh: NDArray[np.float64]


def sample_part_map(
    part_map: ArrayLike,
    *,
    rng: np.random.Generator,
    box_xywh: ArrayLike | None = None,
    num_parts: int = NUM_COARSE,
) -> SampledPoints:
    """Choose the points that annotators would be asked about, from a map of one person's parts.

    Args:
        part_map: (H, W) coarse parts 0..14 of the image's pixels (stage 1 of the annotation).
        rng: Source of the seeds.
        box_xywh: The person's box in pixels; by default the tight box of the parts.
        num_parts: 14 coarse parts, or those of another body.

    Returns:
        At most 14 points per part.

    Raises:
        ValueError: Not a map of parts, no part in it, or a box without size.
    """
    values = np.asarray(part_map)
    if values.ndim != 2 or values.dtype.kind not in "iu":
        raise ValueError(
            f"part_map must be (H, W) whole numbers, got {values.shape} {values.dtype}"
        )
    if values.size and (values.min() < 0 or values.max() > num_parts):
        raise ValueError(f"part_map holds {values.min()}..{values.max()}, parts are 0..{num_parts}")
    rows, columns = np.nonzero(values)
    if not len(rows):
        raise ValueError("part_map shows no part")
    if box_xywh is None:
        left, top = columns.min(), rows.min()
        box_xywh = (left, top, columns.max() + 1 - left, rows.max() + 1 - top)
    box = np.asarray(box_xywh, dtype=np.float64)
    if box.shape != (4,) or not (box[2:] > 0).all():
        raise ValueError(f"box_xywh must be x, y, w, h with w, h > 0, got {box.tolist()}")
    cell_size = (float(GRID / box[2]), float(GRID / box[3]))
    pixels = np.stack([columns, rows], axis=1).astype(np.int64)
    parts = values[rows, columns].astype(np.int64)
    order = sample_parts(parts, pixels, cell_size, rng=rng, num_parts=num_parts)
    grid = (pixels[order] + 0.5 - box[:2]) * cell_size
    return SampledPoints(pixels[order], grid, parts[order], box)


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
