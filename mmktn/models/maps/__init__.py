"""The maps of DensePose, KTN and their tasks."""

from mmktn.models.maps.chart_coordinates import ChartCoordinate, ChartU, ChartV
from mmktn.models.maps.confidences import (
    ChartSpread,
    CoarseSegmConfidence,
    FineSegmConfidence,
    KappaU,
    KappaV,
    SegmConfidence,
    SigmaOne,
    SigmaTwo,
)
from mmktn.models.maps.embedding import Embedding
from mmktn.models.maps.keypoints import KeypointHeatmaps
from mmktn.models.maps.segmentation import (
    BodyMask,
    ClassMap,
    CoarseMap,
    CoarseSegm,
    FineSegm,
    require_class_map,
)

STANDARD_MAPS = ("coarse_segm", "fine_segm", "u", "v", "body_mask", "keypoint_heatmaps")
"""Order in which predictors make their maps; maps of others come behind."""

__all__ = [
    "STANDARD_MAPS",
    "BodyMask",
    "ChartCoordinate",
    "ChartSpread",
    "ChartU",
    "ChartV",
    "ClassMap",
    "CoarseMap",
    "CoarseSegm",
    "CoarseSegmConfidence",
    "Embedding",
    "FineSegm",
    "FineSegmConfidence",
    "KappaU",
    "KappaV",
    "KeypointHeatmaps",
    "SegmConfidence",
    "SigmaOne",
    "SigmaTwo",
    "require_class_map",
]
