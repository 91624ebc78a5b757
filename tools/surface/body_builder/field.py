"""Building blocks of the implicit body: rounded cones, ellipsoids, profiled tubes, smooth unions.

All values are approximate signed distances in metres, negative inside.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

Field = NDArray[np.float64]
_TINY = 1e-9


def rounded_cone(
    points: Field, start: ArrayLike, end: ArrayLike, *, radii: tuple[float, float]
) -> Field:
    """Segment thickened from one radius to another."""
    base = np.asarray(start, dtype=np.float64)
    axis = np.asarray(end, dtype=np.float64) - base
    along = np.clip((points - base) @ axis / (axis @ axis), 0.0, 1.0)
    gap = np.linalg.norm(points - base - along[:, None] * axis, axis=1)
    return gap - (radii[0] + (radii[1] - radii[0]) * along)


def ellipsoid(
    points: Field, centre: ArrayLike, radii: ArrayLike, *, axes: ArrayLike | None = None
) -> Field:
    """Ellipsoid; rows of ``axes`` are its unit axes (by default x, y, z)."""
    offset = points - np.asarray(centre, dtype=np.float64)
    if axes is not None:
        offset = offset @ np.asarray(axes, dtype=np.float64).T
    size = np.asarray(radii, dtype=np.float64)
    level = np.linalg.norm(offset / size, axis=1)
    slope = np.linalg.norm(offset / size**2, axis=1)
    return level * (level - 1.0) / np.maximum(slope, _TINY)


def smooth_union(first: Field, second: Field, radius: float) -> Field:
    """Union of two bodies with a fillet of about the given radius."""
    mix = np.clip(0.5 + 0.5 * (second - first) / radius, 0.0, 1.0)
    return second * (1 - mix) + first * mix - radius * mix * (1 - mix)


def smooth_difference(first: Field, second: Field, radius: float) -> Field:
    """First body without the second, with a rounded rim."""
    return -smooth_union(-first, second, radius)


class ProfiledTube:
    """Tube along an axis whose cross-sections follow a table.

    Each row of the table: position along the axis (m), half-width along +side and -side, half-depth
    along +front and -front, centre shift along side and front, and the exponent of the
    superellipse (2 is an ellipse). Rows are interpolated without overshoot.

    Args:
        origin: Point of the axis at position 0.
        axis: Direction of the axis.
        front: Direction of "front", made perpendicular to the axis; side = axis x front.
        rows: The table.
        caps: Rounding length in metres beyond the first and the last row.
    """

    def __init__(
        self,
        origin: ArrayLike,
        axis: ArrayLike,
        *,
        front: ArrayLike,
        rows: Sequence[Sequence[float]],
        caps: tuple[float, float],
    ) -> None:
        self.origin = np.asarray(origin, dtype=np.float64)
        self.axis = _unit(axis)
        ahead = np.asarray(front, dtype=np.float64)
        self.front = _unit(ahead - (ahead @ self.axis) * self.axis)
        self.side = np.cross(self.axis, self.front)
        table = np.asarray(rows, dtype=np.float64)
        self._low, self._high = table[0, 0], table[-1, 0]
        self._profile = PchipInterpolator(table[:, 0], table[:, 1:])
        self._caps = caps

    def __call__(self, points: Field) -> Field:
        """Signed distance of (N, 3) points, approximate."""
        offset = points - self.origin
        along = offset @ self.axis
        inside = np.clip(along, self._low, self._high)
        right, left, ahead, behind, shift_side, shift_front, power = self._profile(inside).T
        sideways = offset @ self.side - shift_side
        forward = offset @ self.front - shift_front
        width = np.where(sideways > 0, right, left)
        depth = np.where(forward > 0, ahead, behind)
        level = (np.abs(sideways / width) ** power + np.abs(forward / depth) ** power) ** (
            1 / power
        )
        over = along - inside
        cap = np.where(over < 0, self._caps[0], self._caps[1])
        level = np.sqrt(level**2 + (over / cap) ** 2)
        reach = np.sqrt(sideways**2 + forward**2 + over**2)
        return np.where(
            reach < _TINY, -np.minimum(width, depth), reach * (1 - 1 / np.maximum(level, _TINY))
        )


def _unit(vector: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(vector, dtype=np.float64)
    return array / np.linalg.norm(array)
