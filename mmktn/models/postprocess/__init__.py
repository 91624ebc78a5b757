"""`ChartOutput` -> what a user gets: charts, regions, keypoints."""

from mmktn.models.postprocess.chart_decoder import ChartDecoder
from mmktn.models.postprocess.keypoint_decoder import KeypointDecoder
from mmktn.models.postprocess.region_decoder import RegionDecoder

__all__ = ["ChartDecoder", "KeypointDecoder", "RegionDecoder"]
