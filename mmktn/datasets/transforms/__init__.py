"""Pipeline steps of dense pose; everything photometric and plain geometric comes from mmdet."""

from mmktn.datasets.transforms.degrading import RandomDegrade
from mmktn.datasets.transforms.geometric import DensePoseRandomFlip
from mmktn.datasets.transforms.given_boxes import LoadGivenBoxes
from mmktn.datasets.transforms.loading import LoadDensePoseAnnotations, LoadImageFromFile
from mmktn.datasets.transforms.packing import PackDensePoseInputs
from mmktn.datasets.transforms.person_map import LoadPersonMap, PaintBackground
from mmktn.datasets.transforms.visible_boxes import FitBoxesToVisible
from mmktn.datasets.transforms.warping import (
    DensePoseRandomRotation,
    RandomWarpCrop,
    TurnView,
    WarpToPerson,
)

__all__ = [
    "DensePoseRandomFlip",
    "DensePoseRandomRotation",
    "FitBoxesToVisible",
    "LoadDensePoseAnnotations",
    "LoadGivenBoxes",
    "LoadImageFromFile",
    "LoadPersonMap",
    "PackDensePoseInputs",
    "PaintBackground",
    "RandomDegrade",
    "RandomWarpCrop",
    "TurnView",
    "WarpToPerson",
]
