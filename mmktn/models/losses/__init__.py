"""Losses of the dense-pose branch."""

from mmktn.models.losses.chart_loss import ChartLoss
from mmktn.models.losses.keypoint_map_loss import keypoint_map_loss
from mmktn.models.losses.loss_context import LossContext
from mmktn.models.losses.reductions import zero_connected_to
from mmktn.models.losses.segm_losses import coarse_segm_loss, fine_segm_loss
from mmktn.models.losses.uv_likelihood import uv_likelihood_loss, variance_of
from mmktn.models.losses.uv_loss import chart_coordinate_loss

__all__ = [
    "ChartLoss",
    "LossContext",
    "chart_coordinate_loss",
    "coarse_segm_loss",
    "fine_segm_loss",
    "keypoint_map_loss",
    "uv_likelihood_loss",
    "variance_of",
    "zero_connected_to",
]
