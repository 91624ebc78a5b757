"""Datasets and pipeline steps."""

from mmktn.datasets.densepose_coco import DensePoseCocoDataset
from mmktn.datasets.transforms import (
    DensePoseRandomFlip,
    LoadCheckedImage,
    LoadDensePoseAnnotations,
    PackDensePoseInputs,
)

__all__ = [
    "DensePoseCocoDataset",
    "DensePoseRandomFlip",
    "LoadCheckedImage",
    "LoadDensePoseAnnotations",
    "PackDensePoseInputs",
]
