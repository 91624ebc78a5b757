"""`ChartOutput` -> what a user gets: charts, segmentations, keypoints, vertices."""

from mmktn.models.postprocess.chart_decoder import ChartDecoder
from mmktn.models.postprocess.keypoint_decoder import KeypointDecoder
from mmktn.models.postprocess.segmentation_decoder import SegmentationDecoder
from mmktn.models.postprocess.vertex_decoder import VertexDecoder

__all__ = ["ChartDecoder", "KeypointDecoder", "SegmentationDecoder", "VertexDecoder"]
