"""Multi-instance decoder, version 2 (KTN, TCSVT 2022): adaptation up, inverse adaptation down.

`MIDv2` of the official KTNv2 code. Strided information travels by space-to-depth and pixel shuffle,
so nothing is interpolated; four dilated branches suppress the background. Departures from the code,
none of which changes its result: levels are added before their last, common pixel shuffle; the 1 x
1 over the concatenated branches is a sum over the branches; `norm_cfg` works (the official norm
option crashes).
"""

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.models.layers import (
    accumulate,
    channels_last_for_inference,
    conv1x1_of_concat,
    conv_block,
    depth_to_space,
    kaiming_out,
    space_to_depth,
)
from mmktn.models.necks.level_checks import check_levels
from mmktn.registry import MODELS

TOPDOWN = ("independent", "cascade")


@MODELS.register_module()
class MultiInstanceDecoderV2(BaseModule):
    """FPN levels -> one stride-4 map for dense pose.

    Args:
        channels: Channels of the levels and of the result.
        num_levels: Number of levels read: 4 for FPN (P2..P5), 5 for HRFPN.
        inner_channels: Channels of all maps inside; None (released code): `channels`. Fewer are
            ours: a 1 x 1 convolution brings each level there, and the operations fall with the
            square.
        with_multi_dilation: Background suppression by four parallel dilated branches.
        topdown: 'independent' (released code): each level reaches stride 4 on its own, one sum;
            'cascade' (figure of the paper): each level is added to the next finer one.
        norm_cfg: Normalisation of adaptation convolutions; None (default): bias only.
        branch_norm_cfg: Normalisation of the dilated branches, GN with 32 groups by default.
        init_cfg: As in `mmengine.model.BaseModule`.

    Raises:
        ValueError: `topdown` is none of the two.

    Reference:
        KTN, TCSVT 2022, figure of the improved MID; 14 887 680 parameters for four levels of 256
        channels, 20 660 224 for five.
    """

    def __init__(
        self,
        channels: int = 256,
        num_levels: int = 4,
        *,
        inner_channels: int | None = None,
        with_multi_dilation: bool = True,
        topdown: str = "independent",
        norm_cfg: dict | None = None,
        branch_norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if topdown not in TOPDOWN:
            raise ValueError(f"topdown has to be one of {TOPDOWN}, got {topdown!r}")
        self.num_levels = num_levels
        self.topdown = topdown
        inner = inner_channels or channels
        self.reductions = None
        if inner_channels is not None:
            layers = (kaiming_out(nn.Conv2d(channels, inner, 1)) for _ in range(num_levels))
            self.reductions = nn.ModuleList(layers)
        self.adaptations = nn.ModuleList(
            conv_block(4 * inner, inner, norm_cfg=norm_cfg) for _ in range(num_levels - 1)
        )
        self.finest_conv = conv_block(inner, inner, norm_cfg=norm_cfg)
        steps = range(1, num_levels) if topdown == "independent" else [1] * (num_levels - 1)
        self.inverse_adaptations = nn.ModuleList(
            nn.ModuleList(InverseAdaptation(inner, norm_cfg=norm_cfg) for _ in range(count))
            for count in steps
        )
        self.dilated_branches = (
            _dilated_branches(inner, branch_norm_cfg or {"type": "GN", "num_groups": 32})
            if with_multi_dilation
            else None
        )
        self.output = kaiming_out(nn.Conv2d(inner * (4 if with_multi_dilation else 1), channels, 1))

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Decode the pyramid.

        Args:
            levels: At least `num_levels` maps (B, channels, h, w), stride 4 first; further ones are
                ignored.

        Returns:
            One map (B, channels, H / 4, W / 4).

        Raises:
            ValueError: A level is not exactly twice the next (images not padded to a multiple of
                32, or 64 for five levels).
        """
        check_levels(levels, self.num_levels, name=type(self).__name__)
        levels = levels[: self.num_levels]
        if self.reductions is not None:
            levels = tuple(f(x) for f, x in zip(self.reductions, levels, strict=True))
        finest = channels_last_for_inference(levels[0])
        enhanced = self._bottom_up(finest, levels[1:])
        fine = self.finest_conv(finest) if self.topdown == "independent" else finest
        del finest  # a map of this size is a fifth of the memory of the neck
        if self.topdown == "independent":
            fused = self._fuse_independent(fine, enhanced)
        else:
            fused = self.finest_conv(self._fuse_cascade(fine, enhanced))
        if self.dilated_branches is None:
            return (self.output(fused),)
        return (conv1x1_of_concat((f(fused) for f in self.dilated_branches), self.output),)

    def _bottom_up(self, finest: Tensor, levels: tuple[Tensor, ...]) -> list[Tensor]:
        """L_0 = f_0, L_i = f_i + FA_{i-1}(L_{i-1}); gives L_1, L_2, ... ."""
        enhanced = [finest]
        for level, adapt in zip(levels, self.adaptations, strict=True):
            enhanced.append(accumulate(adapt(space_to_depth(enhanced[-1])), level))
        return enhanced[1:]

    def _fuse_independent(self, fine: Tensor, enhanced: list[Tensor]) -> Tensor:
        """Bring every level to stride 4 and add; the last pixel shuffle is common to all."""
        packed: Tensor | None = None
        for level, steps in zip(enhanced, self.inverse_adaptations, strict=True):
            x = steps[0](level)  # (B, 4 channels, h, w): a packed map of twice the size
            for step in steps[1:]:
                x = step(depth_to_space(x))
            packed = x if packed is None else accumulate(packed, x)
        return fine if packed is None else accumulate(fine, depth_to_space(packed))

    def _fuse_cascade(self, fine: Tensor, enhanced: list[Tensor]) -> Tensor:
        """T_last = L_last, T_i = L_i + IFA(T_{i+1}); gives T_0."""
        x = enhanced[-1]
        for level, steps in zip(
            [*reversed(enhanced[:-1]), fine], reversed(self.inverse_adaptations), strict=True
        ):
            x = accumulate(depth_to_space(steps[0](x)), level)
        return x


class InverseAdaptation(nn.Module):
    """conv 3 x 3, ReLU, conv 1 x 1 to 4 C channels, ReLU; the pixel shuffle is the caller's.

    Args:
        channels: Channels C of the input.
        norm_cfg: Normalisation of both convolutions; None: bias only.
    """

    def __init__(self, channels: int, *, norm_cfg: dict | None = None) -> None:
        super().__init__()
        self.conv = conv_block(channels, channels, norm_cfg=norm_cfg)
        self.expand = ConvModule(channels, 4 * channels, 1, norm_cfg=norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, 4 C, h, w)."""
        return self.expand(self.conv(x))


def _dilated_branches(channels: int, norm_cfg: dict) -> nn.ModuleList:
    """Build a 1 x 1 and three 3 x 3 branches; PyTorch's default init, as in the official code."""
    branches = nn.ModuleList([ConvModule(channels, channels, 1, norm_cfg=norm_cfg)])
    branches.extend(
        conv_block(channels, channels, dilation=dilation, norm_cfg=norm_cfg)
        for dilation in (1, 2, 3)
    )
    for branch in branches:
        branch.conv.reset_parameters()
    return branches
