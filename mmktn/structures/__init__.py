"""Data on its way through the package: annotations, raw maps, decoded results, frames."""

from mmktn.structures.chart_output import ChartOutput
from mmktn.structures.chart_result import ChartResult, ChartResults, decode_png, encode_png
from mmktn.structures.densepose_annotation import (
    DensePoseAnnotation,
    DensePoseAnnotations,
    FlipRules,
)

__all__ = [
    "ChartOutput",
    "ChartResult",
    "ChartResults",
    "DensePoseAnnotation",
    "DensePoseAnnotations",
    "FlipRules",
    "decode_png",
    "encode_png",
]
