"""Annotations and RoIs -> training targets."""

from mmktn.models.targets.background import add_background_points
from mmktn.models.targets.chart_targets import ChartTargets, VertexPoints, build_chart_targets
from mmktn.models.targets.dense_cells import DenseCells, find_dense_cells
from mmktn.models.targets.point_sampling import sample_maps_at_points
from mmktn.models.targets.roi_filter import densepose_roi_mask, pairwise_iou

__all__ = [
    "ChartTargets",
    "DenseCells",
    "VertexPoints",
    "add_background_points",
    "build_chart_targets",
    "densepose_roi_mask",
    "find_dense_cells",
    "pairwise_iou",
    "sample_maps_at_points",
]
