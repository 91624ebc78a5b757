"""Atrous spatial pyramid of DeepLab version 2 (Chen et al., arXiv 1606.00915, section 3.2).

Parallel dilated convolutions whose results are added; the pyramid of version 3, which concatenates
and pools the image, is `mmktn.models.layers.ASPP`. DP-FCN is "Deeplab-type" (Guler et al., CVPR
2018, section 3.1); rates and widths are chosen here; none were published.
"""

from typing import cast

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.models.layers import accumulate, dilated_conv, kaiming_out
from mmktn.registry import MODELS


@MODELS.register_module()
class SummedASPPTrunk(BaseModule):
    """Sum of [conv 3 x 3, dilated, ReLU] over the rates.

    Args:
        in_channels: Channels of the backbone's last level.
        channels: Channels of each branch and of the result.
        rates: Dilations.
        init_cfg: As in `mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        in_channels: int = 2048,
        channels: int = 256,
        *,
        rates: tuple[int, ...] = (6, 12, 18, 24),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.branches = nn.ModuleList(
            kaiming_out(nn.Conv2d(in_channels, channels, 3, padding=rate, dilation=rate))
            for rate in rates
        )
        self.out_channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, channels, h, w)."""
        first, *others = (cast("nn.Conv2d", branch) for branch in self.branches)
        total = F.relu(dilated_conv(x, first))
        for branch in others:
            total = accumulate(total, F.relu(dilated_conv(x, branch)))
        return total
