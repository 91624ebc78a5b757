"""Heads: trunk, predictor, losses and decoding in one module."""

from mmktn.models.heads.densepose_head import DensePoseHead

__all__ = ["DensePoseHead"]
