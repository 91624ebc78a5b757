"""Heads: trunk, predictor, losses and decoding in one module."""

from mmktn.models.heads.densepose_head import DensePoseHead
from mmktn.models.heads.intermediate_head import IntermediateDensePoseHead, SupervisedOutput

__all__ = ["DensePoseHead", "IntermediateDensePoseHead", "SupervisedOutput"]
