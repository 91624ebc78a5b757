"""RoIAlign of many RoIs in a few launches, for devices where a launch is dear.

The same two matrix products as in roi_align.py, on windows that are gathered into one array. RoIs
of similar size go together, so that little of it is padding. The CPU reads the device once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mmktn.compat.roi_axis_weights import UPSIDE_DOWN, axis_weights, corners_and_extents

# Numbers of the gathered windows that are held at a time: 128 MB of float32.
_WINDOW_NUMBERS = 2**25


@dataclass
class _Group:
    """RoIs that are worked off together.

    Args:
        index: (n,) which RoIs.
        cells: Images (n, 1, 1), rows (n, S, 1) and columns (n, 1, T) of the windows' cells.
        row_weights: (n, bins_h, S).
        column_weights: (n, bins_w, T).
    """

    index: Tensor
    cells: tuple[Tensor, Tensor, Tensor]
    row_weights: Tensor
    column_weights: Tensor


def pool_batched(
    features: Tensor,
    rois: Tensor,
    bins_hw: tuple[int, int],
    *,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Pool each RoI; see `roi_align.roi_align_forward`.

    Args:
        features: (B, C, h, w) map.
        rois: (N, 5) in the type that is computed in.
        bins_hw: Output size.
        spatial_scale: Map cells per image pixel.
        sampling_ratio: Samples along each axis of a bin; 0 or less: as many as cells, rounded up.
        aligned: Whether to shift by half a cell.

    Returns:
        (N, C, *bins_hw) in the dtype of `features`.

    Raises:
        ValueError: An aligned RoI has negative width or height.
    """
    output = features.new_zeros((len(rois), features.shape[1], *bins_hw))
    last = features.permute(0, 2, 3, 1)
    for group in _groups(
        rois,
        tuple(features.shape),
        bins_hw,
        spatial_scale=spatial_scale,
        sampling_ratio=sampling_ratio,
        aligned=aligned,
    ):
        windows = last[group.cells].to(rois.dtype)  # (n, S, T, C)
        rows = torch.bmm(group.row_weights, windows.flatten(2)).unflatten(2, windows.shape[2:])
        pooled = torch.matmul(group.column_weights[:, None], rows)  # (n, bins_h, bins_w, C)
        output[group.index] = pooled.permute(0, 3, 1, 2).to(output.dtype)
    return output


def add_gradient(
    total: Tensor,
    grad_output: Tensor,
    rois: Tensor,
    *,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> None:
    """Add the gradient with respect to the map to `total` (B, C, h, w), in place.

    Args:
        total: In the type that is computed in.
        grad_output: (N, C, bins_h, bins_w).
        rois: As in the forward pass.
        spatial_scale: As in the forward pass.
        sampling_ratio: As in the forward pass.
        aligned: As in the forward pass.
    """
    batch, channels, height, width = total.shape
    found = total.new_zeros((batch * height * width, channels))
    for group in _groups(
        rois,
        tuple(total.shape),
        (grad_output.shape[2], grad_output.shape[3]),
        spatial_scale=spatial_scale,
        sampling_ratio=sampling_ratio,
        aligned=aligned,
    ):
        grad = grad_output[group.index].to(total.dtype).permute(0, 2, 3, 1)
        columns = torch.matmul(group.column_weights.transpose(1, 2)[:, None], grad)
        windows = torch.bmm(group.row_weights.transpose(1, 2), columns.flatten(2))
        image, row, column = group.cells
        place = (image * height + row) * width + column  # (n, S, T)
        found.index_add_(0, place.flatten(), windows.reshape(-1, channels))
    total += found.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _groups(
    rois: Tensor,
    shape: tuple[int, ...],
    bins_hw: tuple[int, int],
    *,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Iterator[_Group]:
    """Cut the RoIs into groups of bounded size, the largest RoIs first."""
    _, channels, height, width = shape
    corners, extent = corners_and_extents(rois, spatial_scale, aligned=aligned)
    extents = extent.tolist()
    if any(one < 0 or other < 0 for one, other in extents):
        raise ValueError(UPSIDE_DOWN)
    # Samples lie inside the extent; a sample reads two cells, and both ends round outwards.
    # What is not a number (an overflow in float16) counts as no extent.
    extents = [[max(0.0, x), max(0.0, y)] for x, y in extents]
    spans = [(min(int(y) + 3, height), min(int(x) + 3, width)) for x, y in extents]
    order = sorted(range(len(spans)), key=lambda i: spans[i], reverse=True)
    on_device = torch.tensor(order, device=rois.device)
    start = 0
    while start < len(order):
        rows = spans[order[start]][0]  # the most of all that are left
        columns, stop = 0, start
        while stop < len(order):
            wider = max(columns, spans[order[stop]][1])
            if stop > start and (stop + 1 - start) * rows * wider * channels > _WINDOW_NUMBERS:
                break
            columns, stop = wider, stop + 1
        most = [
            sampling_ratio
            if sampling_ratio > 0
            else max(int(max(extents[i][axis] for i in order[start:stop]) / bins) + 1, 1)
            for axis, bins in ((0, bins_hw[1]), (1, bins_hw[0]))
        ]
        index = on_device[start:stop]
        weights = [
            axis_weights(
                corners[index, axis],
                extent[index, axis],
                bins=bins_hw[1 - axis],
                size=(height, width)[1 - axis],
                sampling_ratio=sampling_ratio,
                most=most[axis],
                span=(rows, columns)[1 - axis],
            )
            for axis in (0, 1)
        ]
        across, down = weights
        yield _Group(
            index,
            (
                rois[index, 0].long()[:, None, None],
                _cells(down.first, rows, height)[:, :, None],
                _cells(across.first, columns, width)[:, None, :],
            ),
            down.weights,
            across.weights,
        )
        start = stop


def _cells(first: Tensor, span: int, size: int) -> Tensor:
    """Return (n, span) cells from `first` on; those beyond the map have no weight."""
    return (first[:, None] + torch.arange(span, device=first.device)).clamp(max=size - 1)
