"""Regression of chart coordinates at annotated points (detectron2's DensePose)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmktn.models.losses.reductions import zero_connected_to
from mmktn.models.targets import ChartTargets, DenseCells, sample_maps_at_points


def chart_coordinate_loss(
    maps: Tensor,
    targets: ChartTargets,
    *,
    coordinate: int,
    half_pixel: bool = False,
    cells: DenseCells | None = None,
    reduction: str = "sum",
) -> Tensor:
    """Smooth L1 (beta 1) between one coordinate of the true chart and its label, summed.

    The sum runs over the points of the GPU's whole batch and is divided by nothing, as in the
    official code: its weight is proportional to the images per GPU.
    Background points have no coordinates and do not count.

    Args:
        maps: (N, 25, h, w), one channel per chart.
        targets: Targets of the N RoIs.
        coordinate: 0 for U, 1 for V.
        half_pixel: Put cell centres at index + 0.5, as decoding does; the official code does not.
        cells: Cells labelled by a teacher; each counts as one more point (DensePose, section 3.2).
        reduction: 'sum', or 'mean' over the points (fully convolutional systems).

    Returns:
        Scalar; 0 connected to the maps if there is no point.
    """
    count = targets.num_surface_points
    if not count + (0 if cells is None else len(cells)):
        return zero_connected_to(maps)
    grid = targets.point_grid(maps.shape[-2:], half_pixel=half_pixel)[:count]
    charts, index = targets.point_charts[:count], targets.roi_index[:count]
    values = sample_maps_at_points(maps, index, grid, channels=charts)
    labels = targets.point_uv[:count, coordinate].to(values.dtype)
    if cells is not None:
        at_cells = maps[cells.roi_index, cells.charts, cells.rows, cells.columns]
        values = torch.cat((values, at_cells.to(values.dtype)))
        labels = torch.cat((labels, cells.uv[:, coordinate].to(labels.dtype)))
    return F.smooth_l1_loss(values, labels, beta=1.0, reduction=reduction)
