"""`ChartOutput` -> what a user gets: charts, regions, keypoints, vertices."""

from mmktn.models.postprocess.chart_decoder import ChartDecoder
from mmktn.models.postprocess.keypoint_decoder import KeypointDecoder
from mmktn.models.postprocess.region_decoder import RegionDecoder
from mmktn.models.postprocess.vertex_decoder import VertexDecoder

__all__ = ["ChartDecoder", "KeypointDecoder", "RegionDecoder", "VertexDecoder"]
