"""Data on its way through the package: annotations, raw maps, decoded results, frames."""

from mmktn.formats.chart_arrays import decode_png, encode_png
from mmktn.structures.chart_output import ChartOutput
from mmktn.structures.chart_result import ChartResult, ChartResults
from mmktn.structures.dense_labels import decode_unit_bytes, encode_dense_labels
from mmktn.structures.densepose_annotation import DensePoseAnnotation, DensePoseAnnotations
from mmktn.structures.flip_rules import FlipRules
from mmktn.structures.map_table import DenseMap, Maps, declare_map, declared_map
from mmktn.structures.segmentation_result import SegmentationResult, SegmentationResults
from mmktn.structures.vertex_result import VertexResult, VertexResults

__all__ = [
    "ChartOutput",
    "ChartResult",
    "ChartResults",
    "DenseMap",
    "DensePoseAnnotation",
    "DensePoseAnnotations",
    "FlipRules",
    "Maps",
    "SegmentationResult",
    "SegmentationResults",
    "VertexResult",
    "VertexResults",
    "declare_map",
    "declared_map",
    "decode_png",
    "decode_unit_bytes",
    "encode_dense_labels",
    "encode_png",
]
