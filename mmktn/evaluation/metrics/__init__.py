"""Metrics that mmengine runs after every test epoch; registered in ``mmktn.registry.METRICS``."""

from mmktn.evaluation.metrics.densepose_metric import DensePoseMetric
from mmktn.evaluation.metrics.oks_metric import CrowdPoseMetric, OKSMetric
from mmktn.evaluation.metrics.pointwise_metric import PointwiseDensePoseMetric
from mmktn.evaluation.metrics.segmentation_metrics import BodyMaskMetric, PartSegmentationMetric
from mmktn.evaluation.metrics.topdown_densepose_metric import (
    TopdownDensePoseMetric,
    TopdownPointwiseMetric,
)
from mmktn.evaluation.metrics.vertex_metric import VertexMetric

__all__ = [
    "BodyMaskMetric",
    "CrowdPoseMetric",
    "DensePoseMetric",
    "OKSMetric",
    "PartSegmentationMetric",
    "PointwiseDensePoseMetric",
    "TopdownDensePoseMetric",
    "TopdownPointwiseMetric",
    "VertexMetric",
]
