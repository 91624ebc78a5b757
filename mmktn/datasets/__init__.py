"""Datasets and pipeline steps."""

from mmktn.datasets.densepose_coco import DensePoseCocoDataset
from mmktn.datasets.person_crops import DensePosePersonDataset
from mmktn.datasets.topdown_densepose import TopdownDensePoseDataset
from mmktn.datasets.transforms import (
    DensePoseRandomFlip,
    LoadDensePoseAnnotations,
    LoadImageFromFile,
    PackDensePoseInputs,
)

__all__ = [
    "DensePoseCocoDataset",
    "DensePosePersonDataset",
    "DensePoseRandomFlip",
    "LoadDensePoseAnnotations",
    "LoadImageFromFile",
    "PackDensePoseInputs",
    "TopdownDensePoseDataset",
]
