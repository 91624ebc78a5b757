"""Trunk of AMA-net: the same RoI seen from several pyramid levels, brought together by gates.

Guo et al., "Adaptive Multi-path Aggregation for Human DensePose Estimation in the Wild" (ACM MM
2019, TMM 2021), in the form of its PyTorch release (the Caffe2 release has no gates). The sizes of
the gates' layers are not stated anywhere; ours are those of squeeze-and-excitation.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.models.layers.conv_trunk import conv_block, conv_stack
from mmktn.models.layers.weight_init import kaiming_out
from mmktn.models.layers.winograd import channels_last_for_inference
from mmktn.registry import MODELS

DOUBLINGS = (1, 2, 2, 3)
"""For each path, how often it is doubled until all have the same size."""
_GATE_CHANNELS = 16


class PathFeatures(NamedTuple):
    """What the trunk makes of N RoIs.

    Attributes:
        fused: (N, channels, h, w), for the predictor.
        intermediate: Sums of two neighbouring paths, fine before coarse, same shape; for
            intermediate supervision.
    """

    fused: Tensor
    intermediate: tuple[Tensor, ...]


@MODELS.register_module()
class MultiPathTrunk(BaseModule):
    """Shared convolutions, shared enlargements, static and gated fusion of several paths.

    Args:
        in_channels: Channels of the pooled features.
        channels: Channels of everything inside and of the result.
        num_convs: Convolutions of the shared stack.
        init_cfg: As in `mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        in_channels: int = 256,
        channels: int = 256,
        *,
        num_convs: int = 8,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.out_channels = channels
        self.convs = conv_stack(in_channels, channels, num_convs=num_convs, norm_cfg=None)
        # A path that is doubled n times runs through the last n: all end in the same layer.
        self.deconvs = nn.ModuleList(
            kaiming_out(nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1))
            for _ in range(max(DOUBLINGS))
        )
        self.static_fusion = conv_block(len(DOUBLINGS) * channels, channels)
        self.gates = nn.ModuleList(_gate(channels) for _ in DOUBLINGS)
        self.dynamic_fusion = conv_block(channels, channels)
        self.fusion = kaiming_out(nn.Conv2d(2 * channels, channels, 1))
        self.embedding = conv_block(channels, channels)

    def forward(self, paths: Sequence[Tensor]) -> Tensor:
        """Fuse the paths; arguments as in `stages`, result its `fused`."""
        return self._fuse(self._same_size(paths))

    def stages(self, paths: Sequence[Tensor]) -> PathFeatures:
        """Fuse the paths and keep the sums that intermediate supervision reads.

        Args:
            paths: For each path (N, in_channels, h / 2^d, w / 2^d), d of `DOUBLINGS`.

        Returns:
            Fused features and the sums of paths 0 and 1, 2 and 3, ...

        Raises:
            ValueError: The number of paths differs, or they do not end at the same size.
        """
        grown = self._same_size(paths)
        sums = tuple(a + b for a, b in zip(grown[::2], grown[1::2], strict=True))
        return PathFeatures(self._fuse(grown), sums)

    def _same_size(self, paths: Sequence[Tensor]) -> list[Tensor]:
        if len(paths) != len(DOUBLINGS):
            raise ValueError(f"{len(paths)} paths given, {len(DOUBLINGS)} expected")
        sizes = [
            [side * 2**n for side in path.shape[-2:]]
            for path, n in zip(paths, DOUBLINGS, strict=True)
        ]
        if any(size != sizes[0] for size in sizes):
            raise ValueError(
                f"doubled {DOUBLINGS} times, the paths end at different sizes {sizes}; the "
                "output sizes of the RoI extractor have to fit"
            )
        grown = []
        for path, count in zip(paths, DOUBLINGS, strict=True):
            x = self.convs(channels_last_for_inference(path))
            for deconv in list(self.deconvs)[-count:]:
                x = F.relu(deconv(x), inplace=True)
            grown.append(x)
        return grown

    def _fuse(self, grown: list[Tensor]) -> Tensor:
        static = self.static_fusion(torch.cat(grown, dim=1))
        gated = [
            x * gate(x.mean(dim=(2, 3)))[:, :, None, None]
            for x, gate in zip(grown, self.gates, strict=True)
        ]
        dynamic = self.dynamic_fusion(sum(gated[1:], start=gated[0]))
        return self.embedding(
            F.relu(self.fusion(torch.cat([static, dynamic], dim=1)), inplace=True)
        )


def _gate(channels: int) -> nn.Sequential:
    """Return one weight in 0..1 for each channel of a path, from its mean over the RoI."""
    return nn.Sequential(
        nn.Linear(channels, _GATE_CHANNELS),
        nn.ReLU(),
        nn.Linear(_GATE_CHANNELS, channels),
        nn.Sigmoid(),
    )
