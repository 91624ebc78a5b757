"""Backbones that no host has; `staged_hrnet` stands on mmpose and is imported by its own name."""

from mmktn.models.backbones.efficientnet_lite import EfficientNetLite

__all__ = ["EfficientNetLite"]
