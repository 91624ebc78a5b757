"""Bilinear reading of maps at annotated points (no half-pixel offset, as detectron2's DensePose).

All points of all RoIs are read at once. Cell indices are coordinates: `g = 3.0` is exactly cell 3.
Beyond the last cell its value holds; before the first the official weights extrapolate, so half-
pixel coordinates are clamped before they come here (`ChartTargets.point_grid`).
"""

from typing import NamedTuple

import torch
from torch import Tensor


class _Axis(NamedTuple):
    low: Tensor
    high: Tensor
    weight_of_high: Tensor


def sample_maps_at_points(
    maps: Tensor, roi_index: Tensor, grid_xy: Tensor, *, channels: Tensor | None = None
) -> Tensor:
    """Read maps bilinearly at grid coordinates.

    Args:
        maps: (N, C, h, w).
        roi_index: (P,) int64, map of each point.
        grid_xy: (P, 2) cell coordinates, x first.
        channels: (P,) int64, the one channel to read at each point; None: all.

    Returns:
        (P, C), or (P,) with `channels`, at least in float32; differentiable in `maps`.
    """
    h, w = maps.shape[-2:]
    dtype = torch.promote_types(maps.dtype, torch.float32)
    x, y = _axis(grid_xy[:, 0], w, dtype), _axis(grid_xy[:, 1], h, dtype)
    selected = slice(None) if channels is None else channels.expand(4, -1)

    # One reading for all four corners: its gradient is one map as large as `maps`, not four.
    rows = torch.stack((y.low, y.low, y.high, y.high))
    columns = torch.stack((x.low, x.high, x.low, x.high))
    upper_left, upper_right, lower_left, lower_right = maps[
        roi_index.expand_as(rows), selected, rows, columns
    ].to(dtype)
    return _mix(
        _mix(upper_left, upper_right, x.weight_of_high),
        _mix(lower_left, lower_right, x.weight_of_high),
        y.weight_of_high,
    )


def _axis(grid: Tensor, size: int, dtype: torch.dtype) -> _Axis:
    """Return the neighbouring cells of coordinates and the share of the upper one."""
    low = grid.floor().long().clamp(0, size - 1)
    high = (low + 1).clamp(max=size - 1)
    return _Axis(low, high, (torch.minimum(grid, high.to(grid.dtype)) - low).to(dtype))


def _mix(low: Tensor, high: Tensor, weight_of_high: Tensor) -> Tensor:
    """Linear interpolation; the weight (P,) applies to all channels of values (P, ...)."""
    weight = weight_of_high.view(-1, *[1] * (low.dim() - 1))
    return low * (1 - weight) + high * weight
