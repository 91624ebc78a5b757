"""Left-right mirror of charts, coarse parts, keypoints and chart coordinates.

Source: label permutations and 256 x 256 look-up tables of the official DensePose flip
(UV_symmetry_transforms.mat). The tables of all 24 charts are applied, the torso included, and are
looked up with the chart number before the swap.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmktn.surface.parts import NUM_CHARTS

TABLE_SIZE = 256


def _permutation(values: Sequence[int]) -> NDArray[np.int64]:
    table = np.array(values, dtype=np.int64)
    table.setflags(write=False)
    return table


CHART_FLIP = _permutation(
    [0, 1, 2, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17, 20, 19, 22, 21, 24, 23]
)
COARSE_FLIP = _permutation([0, 1, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 14])
KEYPOINT_FLIP = _permutation([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15])


class ChartSymmetry:
    """Mirror map of chart coordinates, one pair of 256 x 256 tables per chart.

    Args:
        u_tables: (24, 256, 256) new U in [0, 1]; entry ``[c - 1, int(255 V), int(255 U)]``.
        v_tables: (24, 256, 256) new V in [0, 1], indexed alike.

    Raises:
        ValueError: A table has another shape or leaves [0, 1].
    """

    def __init__(self, u_tables: ArrayLike, v_tables: ArrayLike) -> None:
        self.u_tables = _checked_tables(u_tables, "u_tables")
        self.v_tables = _checked_tables(v_tables, "v_tables")
        self.axis_flips: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None

    @classmethod
    def from_axis_flips(cls, flip_u: ArrayLike, flip_v: ArrayLike) -> "ChartSymmetry":
        """Return the tables of a layout in which the mirror keeps or reverses each axis.

        Each entry is the value at the middle of its table cell, so flipping twice moves a
        coordinate by at most half a table step.

        Args:
            flip_u: (24,) bool, True where U becomes 1 - U.
            flip_v: (24,) bool, True where V becomes 1 - V.

        Returns:
            The symmetry.
        """
        middle = np.minimum((np.arange(TABLE_SIZE) + 0.5) / (TABLE_SIZE - 1), 1.0)
        along = np.stack([middle, 1.0 - middle])
        shape = (NUM_CHARTS, TABLE_SIZE, TABLE_SIZE)
        u_rows = along[np.asarray(flip_u, dtype=np.int64)]
        v_rows = along[np.asarray(flip_v, dtype=np.int64)]
        symmetry = cls(
            np.broadcast_to(u_rows[:, None, :], shape), np.broadcast_to(v_rows[:, :, None], shape)
        )
        symmetry.axis_flips = (np.array(flip_u, dtype=bool), np.array(flip_v, dtype=bool))
        return symmetry

    def flip_uv(
        self, charts: ArrayLike, u: ArrayLike, v: ArrayLike
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the chart coordinates of the mirrored points.

        Args:
            charts: (...) chart numbers *before* the swap, 0..24.
            u: (...) U in [0, 1].
            v: (...) V in [0, 1].

        Returns:
            New U and V, float32, same shape. Entries of chart 0 are passed through.

        Raises:
            ValueError: A chart outside 0..24, or U or V outside [0, 1] on a chart.
        """
        chart_ids = np.asarray(charts).astype(np.int64)
        u_old = np.asarray(u, dtype=np.float64)
        v_old = np.asarray(v, dtype=np.float64)
        if chart_ids.size and (chart_ids.min() < 0 or chart_ids.max() > NUM_CHARTS):
            raise ValueError(
                f"charts must lie in 0..{NUM_CHARTS}, got {chart_ids.min()}..{chart_ids.max()}"
            )
        on_chart = chart_ids > 0
        for name, values in (("u", u_old), ("v", v_old)):
            chosen = values[on_chart]
            if not np.all((chosen >= 0) & (chosen <= 1)):
                raise ValueError(f"{name} must lie in [0, 1] on charts 1..{NUM_CHARTS}")
        columns = np.where(on_chart, 255 * u_old, 0).astype(np.int64)
        rows = np.where(on_chart, 255 * v_old, 0).astype(np.int64)
        table_ids = np.maximum(chart_ids - 1, 0)
        u_new = np.where(on_chart, self.u_tables[table_ids, rows, columns], u_old)
        v_new = np.where(on_chart, self.v_tables[table_ids, rows, columns], v_old)
        return u_new.astype(np.float32), v_new.astype(np.float32)


def _checked_tables(tables: ArrayLike, name: str) -> NDArray[np.float32]:
    array = np.ascontiguousarray(tables, dtype=np.float32)
    expected = (NUM_CHARTS, TABLE_SIZE, TABLE_SIZE)
    if array.shape != expected:
        raise ValueError(f"{name} must have shape {expected}, got {array.shape}")
    if not np.all((array >= 0) & (array <= 1)):
        raise ValueError(f"{name} must hold values in [0, 1] without nan")
    return array
