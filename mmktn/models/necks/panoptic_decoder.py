"""Panoptic-FPN decoder: FPN levels -> one stride-4 map (Kirillov et al., CVPR 2019, section 4).

`Decoder` of detectron2's DensePose, and what the released code of KTN v1 calls MID. Departure in
order only: the levels are added at stride 8 before their last, common x2 resizing, which is linear;
the result is the same.
"""

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.models.layers import channels_last_for_inference, conv_block, kaiming_out
from mmktn.models.necks.level_checks import check_levels
from mmktn.registry import MODELS


@MODELS.register_module()
class PanopticFPNDecoder(BaseModule):
    """Bring every level to stride 4 by convolutions and x2 resizing, add them, mix by 1 x 1.

    Args:
        in_channels: Channels of the levels.
        channels: Channels inside.
        out_channels: Channels of the result.
        num_levels: Number of levels read: strides 4, 8, ... .
        norm_cfg: Normalisation of the 3 x 3 convolutions; None (default): bias only.
        init_cfg: As in `mmengine.model.BaseModule`.

    Reference:
        Panoptic FPN, CVPR 2019; 4 196 352 parameters for four levels of 256 channels.
    """

    def __init__(
        self,
        in_channels: int = 256,
        channels: int = 256,
        *,
        out_channels: int = 256,
        num_levels: int = 4,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_levels = num_levels
        self.scale_heads = nn.ModuleList(
            nn.ModuleList(
                conv_block(in_channels if step == 0 else channels, channels, norm_cfg=norm_cfg)
                for step in range(max(1, level))
            )
            for level in range(num_levels)
        )
        self.output = kaiming_out(nn.Conv2d(channels, out_channels, 1))

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Decode the pyramid.

        Args:
            levels: At least `num_levels` maps (B, in_channels, h, w), stride 4 first; further ones
                are ignored.

        Returns:
            One map (B, out_channels, H / 4, W / 4).
        """
        check_levels(levels, self.num_levels, name=type(self).__name__)
        levels = tuple(map(channels_last_for_inference, levels[: self.num_levels]))
        fine = self.scale_heads[0][0](levels[0])
        coarse = [
            self._to_stride_8(level, head)
            for level, head in zip(levels[1:], self.scale_heads[1:], strict=True)
        ]
        if coarse:
            fine = fine + _double(sum(coarse[1:], start=coarse[0]))
        return (self.output(fine),)

    @staticmethod
    def _to_stride_8(x: Tensor, head: nn.Module) -> Tensor:
        """Make every step of a level but the last resizing, which all levels share."""
        for step, block in enumerate(head.children()):
            x = block(x if step == 0 else _double(x))
        return x


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
