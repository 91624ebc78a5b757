"""Cross entropies of charts at points and of coarse maps over all cells."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmktn.models.losses.reductions import zero_connected_to
from mmktn.models.targets import ChartTargets, DenseCells, sample_maps_at_points


def fine_segm_loss(
    fine_segm: Tensor,
    targets: ChartTargets,
    *,
    half_pixel: bool = False,
    cells: DenseCells | None = None,
) -> Tensor:
    """Compute the mean cross entropy over background and 24 charts of the points in their RoI.

    Args:
        fine_segm: (N, 25, h, w) logits.
        targets: Targets of the N RoIs.
        half_pixel: Put cell centres at index + 0.5, as decoding does; the official code does not.
        cells: Cells labelled by a teacher; each counts as one more point (DensePose, section 3.2).

    Returns:
        Scalar; 0 connected to the logits if there is no point.
    """
    num_cells = 0 if cells is None else len(cells)
    if not len(targets.roi_index) + num_cells:
        return zero_connected_to(fine_segm)
    grid = targets.point_grid(fine_segm.shape[-2:], half_pixel=half_pixel)
    logits = sample_maps_at_points(fine_segm, targets.roi_index, grid)
    if cells is None:
        return F.cross_entropy(logits, targets.point_charts)
    at_cells = fine_segm[cells.roi_index, :, cells.rows, cells.columns].to(logits.dtype)
    charts = torch.cat((targets.point_charts, cells.charts))
    return F.cross_entropy(torch.cat((logits, at_cells)), charts)


def coarse_segm_loss(logits: Tensor, targets: ChartTargets, *, half_pixel: bool = False) -> Tensor:
    """Compute the mean cross entropy of a coarse map or body mask in all cells of annotated RoIs.

    Args:
        logits: (N, D, h, w); with D = 2 the target is person (any part) or not.
        targets: Targets of the N RoIs.
        half_pixel: Put cell centres at index + 0.5, as decoding does; the official code does not.

    Returns:
        Scalar; 0 connected to the logits if no RoI has a coarse map.
    """
    if not len(targets.coarse_index):
        return zero_connected_to(logits)
    rois, target = targets.merged_coarse_target(logits.shape[-2:], half_pixel=half_pixel)
    annotated = logits[rois]
    target = target.clamp(max=logits.shape[1] - 1)
    return F.cross_entropy(annotated.float() if annotated.itemsize < 4 else annotated, target)


def mask_segm_loss(logits: Tensor, targets: ChartTargets, *, without_points: bool) -> Tensor:
    """Compute the mean cross entropy of all cells of a body map with the persons' masks.

    Args:
        logits: (N, D, h, w).
        targets: Targets of the N RoIs, `roi_masks` of the same size as the maps among them.
        without_points: Learn also where no RoI has annotated points.

    Returns:
        Scalar; 0 connected to the logits if there is nothing to learn.

    Raises:
        ValueError: The masks are missing or have another size.
    """
    if not len(logits) or not (targets.num_annotated or without_points):
        return zero_connected_to(logits)
    masks = targets.roi_masks
    if masks is None or masks.shape[-2:] != logits.shape[-2:]:
        raise ValueError(
            "coarse_from_masks: the persons have no masks; load them with "
            "mmdet.LoadAnnotations(with_bbox=True, with_mask=True)"
        )
    return F.cross_entropy(logits.float() if logits.itemsize < 4 else logits, masks.long())
