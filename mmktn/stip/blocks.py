"""Convolution blocks shared by the STIP modules.

Source: STIP (MM'21), official layer settings: no bias before a batch norm, dilations 1, 1, 2 in the
pyramid, all branches of one width.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBlock(nn.Module):
    """Size-keeping convolution without bias, batch norm and, unless told otherwise, ReLU.

    A plain module: mmcv's ConvModule would overwrite the head's weight initialisation.

    Args:
        in_channels: Width of the input.
        out_channels: Width of the output.
        kernel_size: Side of the kernel, odd.
        dilation: Dilation of the kernel.
        with_relu: End with a ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        dilation: int = 1,
        with_relu: bool = True,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel_size - 1) // 2
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=padding, dilation=dilation, bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels)
        self.activation = nn.ReLU(inplace=True) if with_relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C_in, h, w)`` to ``(B, C_out, h, w)``."""
        return self.activation(self.bn(self.conv(x)))


class ContextPyramid(nn.Module):
    """Dilated pyramid with image-level pooling ("ASPP") of one width throughout.

    Args:
        channels: Width D of the input, of each branch and of the output.
        dilations: Dilations of the 3x3 branches.
    """

    def __init__(self, channels: int, dilations: Sequence[int] = (1, 1, 2)) -> None:
        super().__init__()
        branches = [ConvBlock(channels, channels, kernel_size=1)]
        branches += [ConvBlock(channels, channels, kernel_size=3, dilation=d) for d in dilations]
        self.branches = nn.ModuleList(branches)
        self.pooled_branch = ConvBlock(channels, channels, kernel_size=1)
        self.project = ConvBlock(channels * (len(branches) + 1), channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the branches: ``(B, D, h, w)`` to ``(B, D, h, w)``."""
        pooled = self.pooled_branch(x.mean((2, 3), keepdim=True)).expand_as(x)
        return self.project(torch.cat([*(branch(x) for branch in self.branches), pooled], dim=1))


def at_least_float32(x: Tensor) -> Tensor:
    """Leave half precision, keep float32 and float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def upsample(x: Tensor, scale: int) -> Tensor:
    """Enlarge a map bilinearly (``align_corners=False``); scale 1 is the identity."""
    if scale == 1:
        return x
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)


def resize_to(x: Tensor, like: Tensor) -> Tensor:
    """Resize a map bilinearly (``align_corners=False``) to the height and width of another."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
