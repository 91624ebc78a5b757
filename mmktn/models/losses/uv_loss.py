"""Regression of chart coordinates at annotated points (methods 1.4)."""

import torch.nn.functional as F
from torch import Tensor

from mmktn.models.losses.reductions import zero_connected_to
from mmktn.models.targets import ChartTargets, sample_maps_at_points


def chart_coordinate_loss(
    maps: Tensor, targets: ChartTargets, *, coordinate: int, half_pixel: bool = False
) -> Tensor:
    """Smooth L1 (beta 1) between one coordinate of the true chart and its label, summed.

    The sum runs over the points of the GPU's whole batch and is divided by nothing, as in the
    official code: its weight is proportional to the images per GPU (methods disagreement 1).

    Args:
        maps: (N, 25, h, w), one channel per chart.
        targets: Targets of the N RoIs.
        coordinate: 0 for U, 1 for V.
        half_pixel: Put cell centres at index + 0.5, as decoding does; the official code does not.

    Returns:
        Scalar; 0 connected to the maps if there is no point.
    """
    if not len(targets.roi_index):
        return zero_connected_to(maps)
    grid = targets.point_grid(maps.shape[-2:]) - 0.5 * half_pixel
    values = sample_maps_at_points(maps, targets.roi_index, grid, channels=targets.point_charts)
    labels = targets.point_uv[:, coordinate].to(values.dtype)
    return F.smooth_l1_loss(values, labels, beta=1.0, reduction="sum")
