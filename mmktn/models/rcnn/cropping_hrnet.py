"""HRNet for images of any size, as in detectron2's DensePose and KTN.

There nothing is padded, so that a map may have an odd side and the next coarser one, rounded up,
comes back one cell too large. The official fuse layers crop it at the right and the bottom; mmdet's
HRNet stops. At sizes that 32 divides nothing is cropped and both compute the same.
"""

from typing import Any

from mmdet.models.backbones.hrnet import HRModule, HRNet
from torch import Tensor

from mmktn.registry import MODELS


class CroppingHRModule(HRModule):
    """`HRModule` whose fuse layers crop what they enlarge to the map that it is added to."""

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        """Fuse the branches: maps (B, C_i, h_i, w_i), h_i+1 = h_i / 2 rounded up, in and out."""
        maps = [branch(item) for branch, item in zip(self.branches, x, strict=True)]
        if self.num_branches == 1:
            return maps
        return [
            self.relu(self._fused(layers, maps, i)) for i, layers in enumerate(self.fuse_layers)
        ]

    @staticmethod
    def _fused(layers: Any, maps: list[Tensor], target: int) -> Tensor:
        height, width = maps[target].shape[-2:]
        total: Any = 0
        for source, item in enumerate(maps):
            moved = item if source == target else layers[source](item)
            total = total + moved[..., :height, :width]
        return total


@MODELS.register_module()
class CroppingHRNet(HRNet):
    """mmdet's HRNet, same names and weights, for images whose sides 32 need not divide.

    Args:
        *args: Of mmdet's HRNet.
        **kwargs: Of mmdet's HRNet.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for module in self.modules():
            if isinstance(module, HRModule):
                # The host builds this class by name; only the forward differs.
                module.__class__ = CroppingHRModule
