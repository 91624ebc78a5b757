"""Adapters to mmpose's top-down estimators; they, `backbones` and `mmktn.stip` import mmpose."""

from mmktn.models.topdown.densepose_estimator import TopdownDensePoseEstimator
from mmktn.models.topdown.densepose_head import TopdownDensePoseHead

__all__ = ["TopdownDensePoseEstimator", "TopdownDensePoseHead"]
