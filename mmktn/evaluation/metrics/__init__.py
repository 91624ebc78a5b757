"""Metrics that mmengine runs after every test epoch; registered in ``mmktn.registry.METRICS``."""

from mmktn.evaluation.metrics.densepose_metric import DensePoseMetric

__all__ = ["DensePoseMetric"]
