"""What all chart predictors share: one transposed convolution per map, then bilinear x2.

Methods 1.3. The transposed convolutions read the same features, so they run as one whose kernels
are set side by side; maps nobody asks for (keypoints at inference) are left out of it.
"""

from collections.abc import Collection, Mapping
from typing import cast

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.models.layers import kaiming_out
from mmktn.structures import ChartOutput

KERNEL_SIZE = 4
FIELDS = ("coarse_segm", "fine_segm", "u", "v", "body_mask", "keypoint_heatmaps")


class MapPredictor(BaseModule):
    """Features (N, C, h, w) -> `ChartOutput` of maps with `2 upscale h` rows.

    Args:
        in_channels: Channels C of the features.
        channels: Field of `ChartOutput` -> channels of its map; 0 leaves the map out.
        upscale: Bilinear factor after the transposed convolutions; 1 switches it off.
        keypoint_upscale: The same for keypoint heat-maps; None: as `upscale`.
        init_cfg: As in `mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        in_channels: int,
        channels: Mapping[str, int],
        *,
        upscale: int = 2,
        keypoint_upscale: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.in_channels = in_channels
        self.upscale = upscale
        self.keypoint_upscale = upscale if keypoint_upscale is None else keypoint_upscale
        self.deconvs = nn.ModuleDict()
        for name, count in channels.items():
            if count:
                self.deconvs[name] = kaiming_out(
                    nn.ConvTranspose2d(in_channels, count, KERNEL_SIZE, stride=2, padding=1)
                )

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the maps this predictor makes, in the order of `ChartOutput`."""
        return tuple(name for name in FIELDS if name in self.deconvs)

    def forward(
        self,
        x: Tensor,
        box_weights: Mapping[str, Tensor] | None = None,
        *,
        fields: Collection[str] | None = None,
    ) -> ChartOutput:
        """Predict the maps.

        Args:
            x: (N, C, h, w) features of N instances; N may be 0.
            box_weights: `cls` (2, D) and `reg` (4, D) weights of the box head, for predictors that
                learn from them.
            fields: Maps to make; `fine_segm`, `u`, `v` always. None: all.

        Returns:
            The maps, each (N, channels, 2 upscale h, 2 upscale w).
        """
        required = {"fine_segm", "u", "v"} | set(self.field_names if fields is None else fields)
        names = [name for name in self.field_names if name in required]
        kernels = [self.kernel(name, box_weights) for name in names]
        counts = [weight.shape[1] for weight, _ in kernels]
        weight = torch.cat([weight.to(x.dtype) for weight, _ in kernels], dim=1)
        bias = torch.cat(
            [x.new_zeros(n) if b is None else b for n, (_, b) in zip(counts, kernels, strict=True)]
        )
        low = F.conv_transpose2d(x, weight, bias, stride=2, padding=1)
        maps = dict(zip(names, low.split(counts, dim=1), strict=True))
        return ChartOutput(**{name: self._upsample(name, m) for name, m in maps.items()})

    def kernel(
        self, name: str, box_weights: Mapping[str, Tensor] | None
    ) -> tuple[Tensor, Tensor | None]:
        """Kernel (C, channels, 4, 4) and bias of one map."""
        deconv = cast("nn.ConvTranspose2d", self.deconvs[name])
        return deconv.weight, deconv.bias

    def _upsample(self, name: str, maps: Tensor) -> Tensor:
        factor = self.keypoint_upscale if name == "keypoint_heatmaps" else self.upscale
        if factor == 1:
            return maps
        return F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)
