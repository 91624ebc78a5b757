"""Embedded-Gaussian non-local block over RoI features (Wang et al., CVPR 2018).

Used by Parsing R-CNN's geometric and context encoding and, switched off by default, by detectron2's
DeepLab head. Keys and values are read from a 2 x 2 max-pooled map.
"""

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn


class NonLocal2d(nn.Module):
    """`x + norm(out(softmax(theta phi^T) g))` with sub-sampled keys phi and values g.

    Args:
        channels: Channels of input and result.
        ratio: Inner channels = `channels * ratio`.
        pool_input: Pool before the key and value convolutions (Parsing R-CNN) or after them
            (detectron2).
        scaled: Divide the affinities by the square root of the inner channels.
        norm_cfg: Normalisation of the result before it is added.
    """

    def __init__(
        self,
        channels: int,
        *,
        ratio: float = 0.5,
        pool_input: bool = False,
        scaled: bool = False,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        inner = int(channels * ratio)
        self.pool_input = pool_input
        self.scale = inner**-0.5 if scaled else 1.0
        self.theta = nn.Conv2d(channels, inner, 1)
        self.phi = nn.Conv2d(channels, inner, 1)
        self.g = nn.Conv2d(channels, inner, 1)
        self.out = nn.Conv2d(inner, channels, 1)
        self.norm = build_norm_layer(norm_cfg or {"type": "GN", "num_groups": 32}, channels)[1]
        # The block starts as the identity.
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, h, w) to the same shape."""
        keys, values = self._keys_and_values(x)
        queries = self.theta(x).flatten(2).transpose(1, 2) * self.scale  # (N, h w, inner)
        affinity = torch.softmax(queries @ keys, dim=-1)  # (N, h w, h w / 4)
        y = (affinity @ values.transpose(1, 2)).transpose(1, 2)  # (N, inner, h w)
        return x + self.norm(self.out(y.unflatten(2, x.shape[2:])))

    def _keys_and_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return both (N, inner, h w / 4)."""
        if self.pool_input:
            pooled = F.max_pool2d(x, 2)
            return self.phi(pooled).flatten(2), self.g(pooled).flatten(2)
        keys, values = F.max_pool2d(self.phi(x), 2), F.max_pool2d(self.g(x), 2)
        return keys.flatten(2), values.flatten(2)
