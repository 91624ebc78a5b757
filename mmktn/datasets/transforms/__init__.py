"""Pipeline steps of dense pose; everything photometric and plain geometric comes from mmdet."""

from mmktn.datasets.transforms.geometric import DensePoseRandomFlip
from mmktn.datasets.transforms.loading import LoadCheckedImage, LoadDensePoseAnnotations
from mmktn.datasets.transforms.packing import PackDensePoseInputs

__all__ = [
    "DensePoseRandomFlip",
    "LoadCheckedImage",
    "LoadDensePoseAnnotations",
    "PackDensePoseInputs",
]
