"""Multi-dilation block of the KTN head: one 3 x 3 kernel shared by three dilations.

`ScaleConvs` of the official KTNv2 code, where the block is registered under two names; once here.
"""

from collections.abc import Iterator

import torch.nn.functional as F
from mmcv.cnn import ConvModule, build_norm_layer
from torch import Tensor, nn

from mmktn.models.layers.conv_ops import conv1x1_of_concat
from mmktn.models.layers.weight_init import kaiming_out


class SharedDilationConvs(nn.Module):
    """Trident-style block: `project(cat(dil 1, dil 6, dil 12, 1 x 1))` with one shared kernel.

    Args:
        channels: Channels of input, branches and result.
        dilations: Dilations of the shared 3 x 3 kernel.
        norm_cfg: Normalisation, own statistics and scales for each branch.

    Reference:
        KTN, TCSVT 2022 ("background suppression"); 919 552 parameters for 256 channels.
    """

    def __init__(
        self,
        channels: int = 256,
        *,
        dilations: tuple[int, ...] = (1, 6, 12),
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        norm_cfg = norm_cfg or {"type": "GN", "num_groups": 32}
        self.dilations = dilations
        self.shared = kaiming_out(nn.Conv2d(channels, channels, 3, padding=1, bias=False))
        self.norms = nn.ModuleList(build_norm_layer(norm_cfg, channels)[1] for _ in dilations)
        self.point_branch = ConvModule(channels, channels, 1, norm_cfg=norm_cfg)
        self.project = kaiming_out(
            nn.Conv2d(channels * (len(dilations) + 1), channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, h, w) to the same shape."""
        return F.relu(conv1x1_of_concat(self._branches(x), self.project), inplace=True)

    def _branches(self, x: Tensor) -> Iterator[Tensor]:
        """Yield the maps (N, channels, h, w)."""
        for dilation, norm in zip(self.dilations, self.norms, strict=True):
            y = F.conv2d(x, self.shared.weight, padding=dilation, dilation=dilation)
            yield F.relu(norm(y), inplace=True)
        yield self.point_branch(x)
