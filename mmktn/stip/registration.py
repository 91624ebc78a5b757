"""Registers STIP; configs name this module in `custom_imports`. Needs mmpose."""

from mmktn.stip import (
    codec,
    feature_pyramid,
    head,
    keypoint_datasets,
    losses,
    released_box,
    semantic_targets,
)

__all__ = [
    "codec",
    "feature_pyramid",
    "head",
    "keypoint_datasets",
    "losses",
    "released_box",
    "semantic_targets",
]
