"""Official DensePose checkpoints (detectron2, KTN): read, translate, find the config that fits."""

from mmktn.checkpoints.config_search import (
    ConfigFit,
    check_constants,
    explain_misfit,
    find_config,
    hint_for,
    model_shapes,
)
from mmktn.checkpoints.conversion import (
    DetectorConversion,
    convert_detector,
    fit,
    unfilled_counters,
)
from mmktn.checkpoints.reading import read_official_checkpoint
from mmktn.checkpoints.structure import check_parts, describe, part_types, width_options

__all__ = [
    "ConfigFit",
    "DetectorConversion",
    "check_constants",
    "check_parts",
    "convert_detector",
    "describe",
    "explain_misfit",
    "find_config",
    "fit",
    "hint_for",
    "model_shapes",
    "part_types",
    "read_official_checkpoint",
    "unfilled_counters",
    "width_options",
]
