"""Cross entropies of charts at points and of coarse maps over all cells (methods 1.4, 8.5)."""

import torch.nn.functional as F
from torch import Tensor

from mmktn.models.losses.reductions import zero_connected_to
from mmktn.models.targets import ChartTargets, sample_maps_at_points


def fine_segm_loss(fine_segm: Tensor, targets: ChartTargets, *, half_pixel: bool = False) -> Tensor:
    """Cross entropy over background and 24 charts, mean over the points inside their RoI.

    Args:
        fine_segm: (N, 25, h, w) logits.
        targets: Targets of the N RoIs.
        half_pixel: Put cell centres at index + 0.5, as decoding does; the official code does not.

    Returns:
        Scalar; 0 connected to the logits if there is no point.
    """
    if not len(targets.roi_index):
        return zero_connected_to(fine_segm)
    grid = targets.point_grid(fine_segm.shape[-2:]) - 0.5 * half_pixel
    logits = sample_maps_at_points(fine_segm, targets.roi_index, grid)
    return F.cross_entropy(logits, targets.point_charts)


def coarse_segm_loss(logits: Tensor, targets: ChartTargets) -> Tensor:
    """Cross entropy of a coarse map or body mask, mean over all cells of annotated RoIs.

    Args:
        logits: (N, D, h, w); with D = 2 the target is person (any part) or not.
        targets: Targets of the N RoIs.

    Returns:
        Scalar; 0 connected to the logits if no RoI has a coarse map.
    """
    if not len(targets.coarse_index):
        return zero_connected_to(logits)
    target = targets.coarse_target(logits.shape[-2:]).clamp(max=logits.shape[1] - 1)
    annotated = logits[targets.coarse_index]
    return F.cross_entropy(annotated.float() if annotated.itemsize < 4 else annotated, target)
