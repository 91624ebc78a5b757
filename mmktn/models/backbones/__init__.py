"""Backbones that hand out more than their host does (these import mmpose)."""

from mmktn.models.backbones.staged_hrnet import StagedHRNet

__all__ = ["StagedHRNet"]
