"""The weights with which RoIAlign reads a map along one axis (see roi_align.py)."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class AxisWeights:
    """Interpolation weights of N RoIs along one axis.

    Args:
        first: (N,) int64, first cell of the map that the RoI touches.
        length: (N,) int64, number of cells that it touches, 0 when every sample lies outside.
        weights: (N, bins, S), S at least the longest `length`; row sums are at most 1.
    """

    first: Tensor
    length: Tensor
    weights: Tensor


UPSIDE_DOWN = "RoIAlign: a RoI has x2 < x1 or y2 < y1; boxes must be (x1, y1, x2, y2)"
"""What callers say of an extent below 0; they look for it where it costs them no wait."""


def corners_and_extents(
    rois: Tensor, spatial_scale: float, *, aligned: bool
) -> tuple[Tensor, Tensor]:
    """Place RoIs on the map.

    Args:
        rois: (N, 5) batch index and x1, y1, x2, y2 in image pixels.
        spatial_scale: Map cells per image pixel.
        aligned: Whether to shift by half a cell; if not, an extent is 1 at least.

    Returns:
        (N, 4) x1, y1, x2, y2 and (N, 2) width, height, in cells.
    """
    corners = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    extents = corners[:, 2:] - corners[:, :2]
    return corners, extents if aligned else extents.clamp(min=1)


def axis_weights(
    start: Tensor,
    extent: Tensor,
    *,
    bins: int,
    size: int,
    sampling_ratio: int,
    most: int | None = None,
    span: int | None = None,
) -> AxisWeights:
    """Build the averaged linear interpolation weights along one axis.

    A sample at coordinate c reads cells floor(c) and floor(c) + 1; c in [-1, 0] reads cell 0, c in
    [size - 1, size] the last cell, and a sample outside [-1, size] counts as zero.

    Args:
        start: (N,) where the RoI begins, in cells, half-pixel shift already applied.
        extent: (N,) length of the RoI in cells.
        bins: Output cells along this axis.
        size: Cells of the map along this axis.
        sampling_ratio: Samples in each bin; 0 or less takes ceil(extent / bins).
        most: A bound of the number of samples; None reads it from the device.
        span: A bound of the number of cells; None reads it from the device.

    Returns:
        The weights, cut to the cells that each RoI touches.
    """
    bin_size = extent / bins
    # An empty RoI has no sample in adaptive mode; mmcv then divides by max(count, 1): zero.
    adaptive = sampling_ratio <= 0
    samples = bin_size.ceil() if adaptive else torch.full_like(start, sampling_ratio)
    if most is None:
        most = max(int(samples.max().item()), 1) if samples.numel() else 1
    steps = torch.arange(most, device=start.device, dtype=start.dtype)
    bin_start = start[:, None] + torch.arange(bins, device=start.device) * bin_size[:, None]
    divisor = samples.clamp(min=1)
    offset = (steps + 0.5) * bin_size[:, None] / divisor[:, None]
    position = bin_start[:, :, None] + offset[:, None, :]  # (N, bins, most)
    used = (position >= -1) & (position <= size) & (steps < samples[:, None])[:, None, :]
    position = position.clamp(min=0, max=size - 1)
    low = position.floor()
    fraction = position - low
    share = used / divisor[:, None, None]
    low_cell = low.long()
    high_cell = (low_cell + 1).clamp(max=size - 1)

    first = torch.where(used, low_cell, size).flatten(1).amin(1)
    last = torch.where(used, high_cell, -1).flatten(1).amax(1)
    length = (last - first + 1).clamp(min=0)
    if span is None:
        span = max(int(length.max().item()), 1) if length.numel() else 1
    weights = start.new_zeros((start.numel(), bins, span))
    origin = first[:, None, None]
    for cell, weight in ((low_cell, (1 - fraction) * share), (high_cell, fraction * share)):
        # Unused samples carry weight 0; the clamp only keeps their index inside the window.
        weights.scatter_add_(2, (cell - origin).clamp(0, span - 1), weight)
    return AxisWeights(first, length, weights)
