"""Adapters to mmpose's top-down estimators; only these and `backbones` import mmpose."""

from mmktn.models.topdown.densepose_estimator import TopdownDensePoseEstimator
from mmktn.models.topdown.densepose_head import TopdownDensePoseHead
from mmktn.models.topdown.stip_codec import RefinedHeatmap
from mmktn.models.topdown.stip_head import STIPHead

__all__ = ["RefinedHeatmap", "STIPHead", "TopdownDensePoseEstimator", "TopdownDensePoseHead"]
