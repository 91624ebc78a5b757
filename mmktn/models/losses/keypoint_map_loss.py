"""Keypoints as a classification over map cells (He et al., Mask R-CNN, section 5)."""

import torch.nn.functional as F
from torch import Tensor

from mmktn.models.losses.reductions import zero_connected_to
from mmktn.models.targets import ChartTargets


def keypoint_map_loss(heatmaps: Tensor, targets: ChartTargets) -> Tensor:
    """Compute the mean spatial cross entropy of the labelled keypoints inside their RoI.

    Args:
        heatmaps: (N, K, h, w) logits.
        targets: Targets of the N RoIs.

    Returns:
        Scalar; 0 connected to the heat-maps if there is no such keypoint.

    Raises:
        ValueError: The annotations carry another number of keypoints.
    """
    found = targets.keypoint_cells(heatmaps.shape[-2:])
    if found is None or not len(targets):
        return zero_connected_to(heatmaps)
    cells, valid = found
    if cells.shape[1] != heatmaps.shape[1]:
        raise ValueError(
            f"{cells.shape[1]} keypoints annotated, {heatmaps.shape[1]} predicted (num_keypoints)"
        )
    logits = heatmaps[valid].flatten(1)
    if not len(logits):
        return zero_connected_to(heatmaps)
    return F.cross_entropy(logits.float() if logits.itemsize < 4 else logits, cells[valid])
