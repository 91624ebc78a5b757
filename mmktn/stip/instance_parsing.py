"""Instance-adaptive parsing (IaP): heat-maps from kernels generated at every pixel.

Source: STIP (MM'21), slides and official STIPNet. The figure feeds coordinate planes to the
parameter generator, the code does not: `with_coords`. Departs from the code in never storing the
kernels (see instance_regressor.py).
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from mmktn.stip.blocks import ContextPyramid, upsample
from mmktn.stip.instance_regressor import (
    mean_generated_kernel,
    mean_generated_product,
    mean_squared_kernel,
)


@dataclass(frozen=True)
class ParsingResult:
    """What instance-adaptive parsing computes for B crops.

    Attributes:
        heatmaps: Final heat-maps ``(B, K, H, W)``.
        kernel_energy: Mean squared kernel entry ``(B,)``, without gradient.
        kernel_map: Mean of each generated kernel ``(B, K, H, W)``; None from another regressor.
    """

    heatmaps: Tensor
    kernel_energy: Tensor
    kernel_map: Tensor | None = None


def coordinate_planes(like: Tensor) -> Tensor:
    """Build the two location planes of a map, each from -1 to 1.

    Convention:
        The first plane changes along the rows (down), the second along the columns (right), as the
        official code has it although it calls the first one x.

    Args:
        like: Map ``(B, C, h, w)`` that gives size, device and dtype.

    Returns:
        Planes ``(B, 2, h, w)``.
    """
    batch, _, height, width = like.shape
    down = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)
    right = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype)
    return torch.stack(torch.meshgrid(down, right, indexing="ij")).expand(batch, -1, -1, -1)


class InstanceParsing(nn.Module):
    """Generate a regressor for every pixel and keypoint and apply it to the features.

    Args:
        channels: Width D of source, features and kernels.
        num_keypoints: K.
        with_coords: Append two coordinate planes to the source (location-aware features).
        scale: How much larger than the source the features are.
    """

    def __init__(
        self, channels: int, num_keypoints: int, *, with_coords: bool = False, scale: int = 2
    ) -> None:
        super().__init__()
        self.channels = channels
        self.scale = scale
        self.location_mixer = nn.Conv2d(channels + 2, channels, 1) if with_coords else None
        self.pyramid = ContextPyramid(channels)
        self.kernel_generator = nn.Conv2d(channels, num_keypoints * channels, 1)

    def generator_features(self, source: Tensor) -> Tensor:
        """Compute what the kernels are generated from: ``(B, D, h, w)`` to ``(B, D, h, w)``."""
        if self.location_mixer is not None:
            source = self.location_mixer(torch.cat([source, coordinate_planes(source)], dim=1))
        return self.pyramid(source)

    def forward(self, source: Tensor, features: Tensor) -> Tensor:
        """Compute the final heat-maps only.

        Args:
            source: What the kernels depend on ``(B, D, h, w)``.
            features: What they are applied to ``(B, D, h * scale, w * scale)``.

        Returns:
            Final heat-maps ``(B, K, h * scale, w * scale)``.
        """
        generator = upsample(self.generator_features(source), self.scale)
        return self._regress(generator, features)

    def parse(self, source: Tensor, features: Tensor) -> ParsingResult:
        """Compute the final heat-maps and, for supervision, the kernel maps.

        Args:
            source: As in `forward`.
            features: As in `forward`.

        Returns:
            All three results.
        """
        generator = self.generator_features(source)
        weight, bias = self.kernel_generator.weight, cast("Tensor", self.kernel_generator.bias)
        kernel_map = mean_generated_kernel(generator, weight=weight, bias=bias, depth=self.channels)
        enlarged = upsample(generator, self.scale)
        return ParsingResult(
            heatmaps=self._regress(enlarged, features),
            kernel_map=upsample(kernel_map, self.scale),
            kernel_energy=mean_squared_kernel(enlarged, weight=weight, bias=bias),
        )

    def _regress(self, generator: Tensor, features: Tensor) -> Tensor:
        return mean_generated_product(
            generator,
            features,
            weight=self.kernel_generator.weight,
            bias=cast("Tensor", self.kernel_generator.bias),
        )
