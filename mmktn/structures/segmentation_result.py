"""Decoded labels of the pixels of a box: body or not, or the 14 coarse parts.

What `ChartResult` is for charts. The map covers the integer box of docs/conventions.md, frame 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from mmktn.structures.instance_list import InstanceList


@dataclass
class SegmentationResult:
    """Label of every pixel of one box.

    Attributes:
        labels: (H, W) uint8, 0 background; 1 the body, or 1..14 the coarse parts.
        xy: Column and row of the first pixel in the image.
    """

    labels: Tensor
    xy: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        """Check the shape.

        Raises:
            ValueError: `labels` is no (H, W) map.
        """
        if self.labels.ndim != 2:
            raise ValueError(f"labels: shape {tuple(self.labels.shape)}, not (H, W)")

    def map(self, function: Callable[[Tensor], Tensor]) -> SegmentationResult:
        """Apply a function to the labels."""
        return SegmentationResult(function(self.labels), self.xy)


class SegmentationResults(InstanceList[SegmentationResult]):
    """Segmentations of the N boxes of an image; a field of `pred_instances`."""
