"""Prepare a detector for inference on the CPU: fewer passes over memory, faster products.

Batch norms of ResNets are folded into their convolutions, maps lie channels-last from the picture
on, 1 x 1 convolutions go to oneDNN (PyTorch keeps a batch of one on one thread from it), and large
3 x 3 convolutions use Winograd's algorithm.
Results differ by float32 rounding alone.
"""

from __future__ import annotations

from typing import Any

import torch
from mmcv.cnn.utils.fuse_conv_bn import fuse_conv_bn
from torch import Tensor, nn

from mmktn.models.layers.winograd import WinogradConv2d

FOLDED = ("ResNet", "ResNetV1d")
"""Backbones whose batch norms follow their convolutions in the order of their children."""


class OneDnnConv2d(nn.Conv2d):
    """`nn.Conv2d` that calls oneDNN for float32 maps on the CPU which lie channels-last."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, h, w)."""
        if (
            x.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and x.is_contiguous(memory_format=torch.channels_last)
            and not torch.is_grad_enabled()
            and not torch.is_autocast_enabled("cpu")
            and not torch.jit.is_tracing()
            and not torch.compiler.is_compiling()
            and torch.backends.mkldnn.is_available()
        ):
            sizes: Any = (self.padding, self.stride, self.dilation, self.groups)
            return torch.mkldnn_convolution(x, self.weight, self.bias, *sizes)
        return super().forward(x)


def prepare_for_cpu(model: nn.Module) -> None:
    """Prepare a detector's backbone, pyramid, proposal network and heads, in place and for good.

    The state dict loses the batch norms of a ResNet: load weights before. Other backbones, and
    models that have none of these parts, stay as they are.

    Args:
        model: A detector in eval mode, its weights loaded.
    """
    backbone = getattr(model, "backbone", None)
    if type(backbone).__name__ not in FOLDED:
        return
    model.backbone = fuse_conv_bn(backbone)
    for name in ("backbone", "neck", "rpn_head", "roi_head"):
        part = getattr(model, name, None)
        if part is not None:
            _exchange(part)
            part.to(memory_format=torch.channels_last)
    model.backbone.register_forward_pre_hook(_channels_last)


def _channels_last(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(x.contiguous(memory_format=torch.channels_last) for x in inputs)


def _exchange(part: nn.Module) -> None:
    """Give plain convolutions the class that computes faster; both differ in `forward` alone.

    mmcv's own `Conv2d` is plain, too: it differs for empty maps alone.
    """
    for layer in part.modules():
        if type(layer).__name__ != "Conv2d" or not isinstance(layer, nn.Conv2d):
            continue
        if layer.kernel_size == (1, 1):
            layer.__class__ = OneDnnConv2d
        elif layer.kernel_size == (3, 3):
            layer.__class__ = WinogradConv2d
