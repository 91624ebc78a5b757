"""What kind of layer a predictor reads its maps with: a transposed or an ordinary convolution.

Region-based systems end in transposed convolutions 4 x 4 of stride 2, AMA-net in 3 x 3 and the
top-down systems in 1 x 1 convolutions.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from mmktn.models.ktm import GeneratedConv, GeneratedDeconv
from mmktn.models.layers import kaiming_out


@dataclass(frozen=True)
class DeconvLayers:
    """Transposed convolutions, stride 2, which double the map; kernels (C, channels, 4, 4).

    Attributes:
        kernel_size: Side of the kernel.
        container: Name of the layers in a predictor, hence in checkpoints.
        class_axis: Axis of the kernel that counts the channels of the map.
        generated: Class whose kernel a KTM generates.
    """

    kernel_size: int = 4
    container: ClassVar[str] = "deconvs"
    class_axis: ClassVar[int] = 1
    generated: ClassVar[type[GeneratedDeconv]] = GeneratedDeconv

    def make(self, in_channels: int, channels: int) -> nn.Module:
        """Return one layer, kaiming-out initialised."""
        layer = nn.ConvTranspose2d(in_channels, channels, self.kernel_size, stride=2, padding=1)
        return kaiming_out(layer)

    def run(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """Map (N, C, h, w) to (N, channels, 2 h, 2 w)."""
        return F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)


@dataclass(frozen=True)
class ConvLayers:
    """Convolutions that keep the size of the map; kernels (channels, C, k, k).

    Attributes:
        kernel_size: Side k of the kernel, odd.
        container: As in `DeconvLayers`, and so are the next two.
    """

    kernel_size: int = 1
    container: ClassVar[str] = "convs"
    class_axis: ClassVar[int] = 0
    generated: ClassVar[type[GeneratedDeconv]] = GeneratedConv

    def __post_init__(self) -> None:
        """Check the kernel.

        Raises:
            ValueError: An even kernel would move the map by half a cell.
        """
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"conv_kernel has to be odd (1 or 3), got {self.kernel_size}")

    def make(self, in_channels: int, channels: int) -> nn.Module:
        """Return one layer, kaiming-out initialised."""
        pad = self.kernel_size // 2
        return kaiming_out(nn.Conv2d(in_channels, channels, self.kernel_size, padding=pad))

    def run(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """Map (N, C, h, w) to (N, channels, h, w)."""
        return F.conv2d(x, kernel, bias, padding=self.kernel_size // 2)


MapLayers = DeconvLayers | ConvLayers
