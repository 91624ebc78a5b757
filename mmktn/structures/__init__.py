"""Data on its way through the package: annotations, raw maps, decoded results, frames."""

from mmktn.formats.chart_arrays import decode_png, encode_png
from mmktn.structures.chart_output import ChartOutput
from mmktn.structures.chart_result import ChartResult, ChartResults
from mmktn.structures.dense_map import decode_unit_bytes, encode_dense_map
from mmktn.structures.densepose_annotation import (
    DensePoseAnnotation,
    DensePoseAnnotations,
    FlipRules,
)
from mmktn.structures.map_table import DenseMap, declare_map, declared_map
from mmktn.structures.region_result import RegionResult, RegionResults
from mmktn.structures.vertex_result import VertexResult, VertexResults

__all__ = [
    "ChartOutput",
    "ChartResult",
    "ChartResults",
    "DenseMap",
    "DensePoseAnnotation",
    "DensePoseAnnotations",
    "FlipRules",
    "RegionResult",
    "RegionResults",
    "VertexResult",
    "VertexResults",
    "declare_map",
    "declared_map",
    "decode_png",
    "decode_unit_bytes",
    "encode_dense_map",
    "encode_png",
]
