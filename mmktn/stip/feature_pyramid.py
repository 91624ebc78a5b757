"""Feature pyramid of STIP's ResNet (SimpleBaseline) variant.

Source: official CPResNet: batch norm on the laterals, nearest doubling, ReLU after each sum, a full
block only on the coarsest output. No configuration file of it was released.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.registry import MODELS
from mmktn.stip.blocks import ConvBlock


@MODELS.register_module()
class STIPFeaturePyramid(BaseModule):
    """Turn the stages of a ResNet into maps of one width.

    Only the maps that the head reads get an output layer: one that is never used would stop
    distributed training.

    Args:
        in_channels: Widths of the stages, finest first.
        out_channels: Width D of every output.
        num_fine_outputs: How many of the finest maps are handed out beside the coarsest.
        init_cfg: As everywhere in mmengine.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 128,
        *,
        num_fine_outputs: int = 2,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.laterals = nn.ModuleList(
            ConvBlock(width, out_channels, kernel_size=1, with_relu=False) for width in in_channels
        )
        self.fine_outputs = nn.ModuleList(
            nn.Conv2d(out_channels, out_channels, 3, padding=1) for _ in range(num_fine_outputs)
        )
        self.coarsest_output = ConvBlock(out_channels, out_channels, kernel_size=3)

    def forward(self, stages: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Build the pyramid.

        Args:
            stages: Maps of the backbone, finest first, each half as large as the one before.

        Returns:
            Maps ``(B, D, h_l, w_l)``, finest first: the fine ones and the coarsest.
        """
        maps = [lateral(stage) for lateral, stage in zip(self.laterals, stages, strict=True)]
        for level in range(len(maps) - 2, -1, -1):
            coarser = F.interpolate(maps[level + 1], size=maps[level].shape[-2:], mode="nearest")
            maps[level] = F.relu(maps[level] + coarser)
        fine = [layer(x) for layer, x in zip(self.fine_outputs, maps, strict=False)]
        return (*fine, self.coarsest_output(maps[-1]))
