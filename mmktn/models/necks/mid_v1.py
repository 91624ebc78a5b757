"""Multi-instance decoder, version 1 (KTN, ACM MM 2020): two readings of the same figure.

The released code uses the Panoptic-FPN decoder (`mode='code'`, the default and what the published
numbers come from); the figure shows one dilated convolution per level on maps brought to stride 4
(`mode='figure'`). The segmentor of the figure only adds supervision: this neck holds it, the RoI
head asks it for its map and computes its loss.
"""

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.models.layers import kaiming_out
from mmktn.models.necks.level_checks import check_levels
from mmktn.models.necks.panoptic_decoder import PanopticFPNDecoder
from mmktn.registry import MODELS

MODES = ("code", "figure")


@MODELS.register_module()
class MultiInstanceDecoderV1(BaseModule):
    """FPN levels -> one stride-4 map for dense pose.

    Args:
        channels: Channels of the levels and of the result.
        mode: 'code' or 'figure'.
        dilations: Dilation of each level's convolution in mode 'figure', finest level first; their
            number is the number of levels read.
        norm_cfg: Normalisation in mode 'figure', GN with 32 groups by default.
        segmentor: Arguments of `multi_instance_segmentor` beside channels and levels, e.g.
            `dict(hidden_channels=128)`; None: no segmentor.
        segmentor_weight: Weight of its loss.
        init_cfg: As in `mmengine.model.BaseModule`.

    Attributes:
        segmentor: Module from the levels to a tuple of one map (B, 2, H/4, W/4), logits of
            background and person; None without.

    Raises:
        ValueError: `mode` is none of the two.

    Reference:
        KTN, ACM MM 2020, figure 2.
    """

    def __init__(
        self,
        channels: int = 256,
        mode: str = "code",
        *,
        dilations: tuple[int, ...] = (1, 16, 32, 64),
        norm_cfg: dict | None = None,
        segmentor: dict | None = None,
        segmentor_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if mode not in MODES:
            raise ValueError(f"mode has to be one of {MODES}, got {mode!r}")
        self.decoder = (
            PanopticFPNDecoder(channels, channels, out_channels=channels, num_levels=len(dilations))
            if mode == "code"
            else DilatedLevelDecoder(
                channels, dilations, norm_cfg=norm_cfg or {"type": "GN", "num_groups": 32}
            )
        )
        self.segmentor = (
            None
            if segmentor is None
            else multi_instance_segmentor(channels, num_levels=len(dilations), **segmentor)
        )
        self.segmentor_weight = segmentor_weight

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Decode levels (B, channels, h, w), stride 4 first, into one (B, channels, H/4, W/4)."""
        return self.decoder(levels)


def multi_instance_segmentor(
    channels: int,
    *,
    num_levels: int,
    hidden_channels: int = 256,
    norm_cfg: dict | None = None,
) -> PanopticFPNDecoder:
    """Build the semantic head that tells persons from background (SEMSEG_ON of the KTN v1 code).

    Args:
        channels: Channels of the levels.
        num_levels: Number of levels read, strides 4, 8, ... .
        hidden_channels: Channels inside.
        norm_cfg: Normalisation, GN with 32 groups by default.

    Returns:
        Per level [conv 3 x 3, norm, ReLU, x2], sum, 1 x 1 to background and person.
    """
    return PanopticFPNDecoder(
        channels,
        hidden_channels,
        out_channels=2,
        num_levels=num_levels,
        norm_cfg=norm_cfg or {"type": "GN", "num_groups": 32},
    )


class DilatedLevelDecoder(nn.Module):
    """Resize every level to stride 4, one dilated 3 x 3 convolution each, sum, 1 x 1.

    Args:
        channels: Channels of the levels and of the result.
        dilations: One for each level.
        norm_cfg: Normalisation of the dilated convolutions.
    """

    def __init__(self, channels: int, dilations: tuple[int, ...], *, norm_cfg: dict) -> None:
        super().__init__()
        self.level_convs = nn.ModuleList(
            ConvModule(channels, channels, 3, padding=d, dilation=d, norm_cfg=norm_cfg)
            for d in dilations
        )
        self.output = kaiming_out(nn.Conv2d(channels, channels, 1))

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Decode the pyramid; arguments and result as in `MultiInstanceDecoderV1`."""
        check_levels(levels, len(self.level_convs), name="MultiInstanceDecoderV1")
        size = levels[0].shape[-2:]
        fused = self.level_convs[0](levels[0])
        for level, conv in zip(levels[1:], self.level_convs[1:], strict=False):
            fused = fused + conv(
                F.interpolate(level, size=size, mode="bilinear", align_corners=False)
            )
        return (self.output(fused),)
