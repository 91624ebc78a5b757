"""RoIAlign with average pooling in plain torch, equal to mmcv's compiled operator.

He et al., Mask R-CNN (2017), section 3. Averaging bilinear samples on a regular grid is separable:
each output cell is `row_weights @ map @ column_weights`, where a row of the weights holds the
averaged linear interpolation of one bin's samples. So a RoI costs two small matrix products on the
part of the map that it touches, instead of a gather per sample, and the backward pass is the same
with both matrices transposed. Departs from mmcv in accumulation order only (and computes half types
in float32). On the CPU each RoI's part is multiplied where it lies, in the order that its layout
asks for; elsewhere a launch costs more than the product, and many RoIs are worked off together
(roi_align_batched.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mmktn.compat.roi_align_batched import add_gradient, pool_batched
from mmktn.compat.roi_axis_weights import UPSIDE_DOWN, axis_weights, corners_and_extents

# RoIs whose weights are held at a time: 128 * 28 bins * 300 cells * 4 bytes = 4 MB for each axis.
_ROIS_PER_CHUNK = 128


@dataclass
class _Window:
    """One RoI: the part of the map that it touches and its two interpolation matrices."""

    index: int
    batch: int
    rows: slice
    columns: slice
    row_weights: Tensor
    column_weights: Tensor


def _windows(
    rois: Tensor,
    map_hw: tuple[int, int],
    bins_hw: tuple[int, int],
    *,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Iterator[_Window]:
    """Turn (N, 5) RoIs into windows, a chunk at a time; a RoI without a valid sample has none."""
    for offset in range(0, len(rois), _ROIS_PER_CHUNK):
        chunk = rois[offset : offset + _ROIS_PER_CHUNK]
        corners, extents = corners_and_extents(chunk, spatial_scale, aligned=aligned)
        if bool((extents < 0).any()):
            raise ValueError(UPSIDE_DOWN)
        columns, rows = (
            axis_weights(
                corners[:, axis],
                extents[:, axis],
                bins=bins_hw[1 - axis],
                size=map_hw[1 - axis],
                sampling_ratio=sampling_ratio,
            )
            for axis in (0, 1)
        )
        # One copy to the CPU for all numbers of the chunk.
        numbers = (chunk[:, 0].long(), rows.first, rows.length, columns.first, columns.length)
        for index, (batch, top, height, left, width) in enumerate(
            torch.stack(numbers, dim=1).tolist()
        ):
            if height and width:
                yield _Window(
                    index=offset + index,
                    batch=batch,
                    rows=slice(top, top + height),
                    columns=slice(left, left + width),
                    row_weights=rows.weights[index, :, :height],
                    column_weights=columns.weights[index, :, :width],
                )


def _compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """Widen half types, which have too few digits for coordinates and sums."""
    return dtype if dtype in (torch.float32, torch.float64) else torch.float32


def roi_align_forward(
    features: Tensor,
    rois: Tensor,
    *,
    bins_hw: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Pool each RoI of a feature map to a fixed size.

    Args:
        features: (B, C, h, w) map.
        rois: (N, 5) batch index and x1, y1, x2, y2 in image pixels.
        bins_hw: Output size.
        spatial_scale: Map cells per image pixel.
        sampling_ratio: Samples along each axis of a bin; 0 or less: as many as cells, rounded up.
        aligned: True shifts by half a cell (pixel centres at index + 0.5); False is the legacy
            rule, with a minimal extent of 1.

    Returns:
        (N, C, *bins_hw) in the dtype of `features`.

    Raises:
        ValueError: An aligned RoI has negative width or height.
    """
    dtype = _compute_dtype(features.dtype)
    if features.device.type != "cpu":
        return pool_batched(
            features,
            rois.to(dtype),
            bins_hw,
            spatial_scale=spatial_scale,
            sampling_ratio=sampling_ratio,
            aligned=aligned,
        )
    output = features.new_zeros((rois.shape[0], features.shape[1], *bins_hw))
    cells = features.permute(0, 2, 3, 1)
    channels_last = cells.is_contiguous()
    for window in _windows(
        rois.to(dtype),
        (features.shape[2], features.shape[3]),
        bins_hw,
        spatial_scale=spatial_scale,
        sampling_ratio=sampling_ratio,
        aligned=aligned,
    ):
        if channels_last:
            patch = cells[window.batch, window.rows, window.columns].to(dtype)
            pooled = _cell_sandwich(window.row_weights, patch, window.column_weights)
        else:
            patch = features[window.batch, :, window.rows, window.columns].to(dtype)
            pooled = _sandwich(window.row_weights, patch, window.column_weights.T)
        output[window.index] = pooled
    return output


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    grad_input: Tensor,
    *,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> None:
    """Add the gradient with respect to the map to `grad_input`.

    Args:
        grad_output: (N, C, bins_h, bins_w).
        rois: As in the forward pass.
        grad_input: (B, C, h, w), changed in place.
        spatial_scale: As in the forward pass.
        sampling_ratio: As in the forward pass.
        aligned: As in the forward pass.
    """
    dtype = _compute_dtype(grad_output.dtype)
    # Overlapping RoIs add up; half types would lose the small summands.
    total = grad_input if grad_input.dtype == dtype else grad_input.to(dtype)
    if grad_input.device.type != "cpu":
        add_gradient(
            total,
            grad_output,
            rois.to(dtype),
            spatial_scale=spatial_scale,
            sampling_ratio=sampling_ratio,
            aligned=aligned,
        )
    else:
        for window in _windows(
            rois.to(dtype),
            (grad_input.shape[2], grad_input.shape[3]),
            (grad_output.shape[2], grad_output.shape[3]),
            spatial_scale=spatial_scale,
            sampling_ratio=sampling_ratio,
            aligned=aligned,
        ):
            total[window.batch, :, window.rows, window.columns] += _sandwich(
                window.row_weights.T, grad_output[window.index].to(dtype), window.column_weights
            )
    if total is not grad_input:
        grad_input.copy_(total)


def _cell_sandwich(rows: Tensor, patch: Tensor, columns: Tensor) -> Tensor:
    """Return `rows @ patch[..., c] @ columns.T` for every c: (p, q), (q, r, C), (s, r).

    Returns:
        (C, p, s). Products run over whole cells: no channel is taken apart before the end.
    """
    across = torch.matmul(columns, patch)
    pooled = torch.mm(rows, across.reshape(len(across), -1))
    return pooled.view(len(rows), len(columns), -1).permute(2, 0, 1)


def _sandwich(left: Tensor, middle: Tensor, right: Tensor) -> Tensor:
    """Return `left @ middle[c] @ right` for every c: (p, q), (C, q, r), (r, s) -> (C, p, s)."""
    # This order runs on the strided patch as it is; the other one would copy it first.
    return torch.matmul(torch.matmul(left, middle), right)
