"""Atrous spatial pyramid pooling of RoI features (Chen et al., DeepLabv3, arXiv 1706.05587).

Two users: the DeepLab head of detectron2's DensePose (rates 6, 12, 56; GN, no bias) and the
geometric and context encoding of Parsing R-CNN (rates 6, 12, 18; biases, no norm).
"""

from collections.abc import Iterator
from typing import cast

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from mmktn.models.layers.conv_ops import conv1x1_of_concat, dilated_conv
from mmktn.models.layers.weight_init import kaiming_out


class ASPP(nn.Module):
    """A 1 x 1 branch, dilated 3 x 3 branches and an image-pooling branch, fused by 1 x 1.

    Args:
        in_channels: Channels of the features.
        branch_channels: Channels of each branch.
        out_channels: Channels of the result.
        rates: Dilations of the 3 x 3 branches.
        norm_cfg: Normalisation of the branches (then without bias); None: bias only.
        project_bias: Whether the fusing convolution has a bias.
        pool_first: Order of the concatenation: image pooling first (Parsing R-CNN) or last
            (detectron2).
    """

    def __init__(
        self,
        in_channels: int,
        branch_channels: int,
        *,
        out_channels: int,
        rates: tuple[int, ...],
        norm_cfg: dict | None,
        project_bias: bool,
        pool_first: bool = False,
    ) -> None:
        super().__init__()
        self.pool_first = pool_first
        self.point_branch = ConvModule(in_channels, branch_channels, 1, norm_cfg=norm_cfg)
        self.dilated_branches = nn.ModuleList(
            ConvModule(
                in_channels, branch_channels, 3, padding=rate, dilation=rate, norm_cfg=norm_cfg
            )
            for rate in rates
        )
        self.pool_branch = ConvModule(in_channels, branch_channels, 1, norm_cfg=norm_cfg)
        self.project = kaiming_out(
            nn.Conv2d(branch_channels * (len(rates) + 2), out_channels, 1, bias=project_bias)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, out_channels, h, w)."""
        return F.relu(conv1x1_of_concat(self._branches(x), self.project), inplace=True)

    def _branches(self, x: Tensor) -> Iterator[Tensor]:
        """Maps (N, branch_channels, h, w); image pooling stays 1 x 1 and broadcasts in the sum."""
        if self.pool_first:
            yield self._pooled(x)
        yield self.point_branch(x)
        for branch in self.dilated_branches:
            y = dilated_conv(x, cast("nn.Conv2d", branch.conv))
            yield branch.activate(branch.norm(y) if branch.with_norm else y)
        if not self.pool_first:
            yield self._pooled(x)

    def _pooled(self, x: Tensor) -> Tensor:
        return self.pool_branch(x.mean(dim=(2, 3), keepdim=True))
