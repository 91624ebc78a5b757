"""Trunk of fully convolutional systems: transposed convolutions, each doubling the map.

SimpleBaseline (Xiao et al., ECCV 2018): three of 256 channels with batch norm on the last map of a
ResNet. HRNet has none: its map has the resolution already.
"""

import itertools
from collections.abc import Sequence

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.models.layers.weight_init import kaiming_out
from mmktn.registry import MODELS


@MODELS.register_module()
class DeconvTrunk(BaseModule):
    """n x [transposed conv 4 x 4 stride 2, norm, ReLU].

    Args:
        in_channels: Channels of the backbone's map.
        channels: Channels after each transposed convolution; empty: the map goes through as it is.
        norm_cfg: Normalisation, batch norm by default.
        init_cfg: As in `mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int] = (256, 256, 256),
        *,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        widths = [in_channels, *channels]
        norm_cfg = {"type": "BN"} if norm_cfg is None else norm_cfg
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            conv = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
            norm = build_norm_layer(norm_cfg, after)[1]
            layers += [kaiming_out(conv), norm, nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.out_channels = widths[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, channels[-1], 2**n h, 2**n w)."""
        return self.layers(x)
