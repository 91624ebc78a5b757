"""Prepare a detector for inference on the CPU: fewer passes over memory, faster products.

Batch norms of ResNets are folded into their convolutions, maps lie channels-last from the picture
on, and 1 x 1 convolutions go to oneDNN (PyTorch keeps a batch of one on one thread from it).
Results differ by float32 rounding alone.
"""

from __future__ import annotations

from typing import Any

import torch
from mmcv.cnn.utils.fuse_conv_bn import fuse_conv_bn
from torch import Tensor, nn

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
    """Prepare backbone, pyramid and proposal network, in place and for good.

    The state dict loses the batch norms of a ResNet: load weights before. Other backbones, and
    models that have none of these parts, stay as they are.

    Args:
        model: A detector in eval mode, its weights loaded.
    """
    backbone = getattr(model, "backbone", None)
    if type(backbone).__name__ not in FOLDED:
        return
    model.backbone = fuse_conv_bn(backbone)
    for name in ("backbone", "neck", "rpn_head"):
        part = getattr(model, name, None)
        if part is not None:
            _exchange(part)
            part.to(memory_format=torch.channels_last)
    model.backbone.register_forward_pre_hook(_channels_last)


def _channels_last(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(x.contiguous(memory_format=torch.channels_last) for x in inputs)


def _exchange(part: nn.Module) -> None:
    """Put `OneDnnConv2d` with the same parameters in the place of plain 1 x 1 convolutions."""
    for name, child in part.named_children():
        if not _is_plain_1x1(child):
            _exchange(child)
            continue
        layer: Any = child
        with torch.device("meta"):
            made = OneDnnConv2d(
                layer.in_channels,
                layer.out_channels,
                layer.kernel_size,
                stride=layer.stride,
                padding=layer.padding,
                groups=layer.groups,
                bias=layer.bias is not None,
                padding_mode=layer.padding_mode,
            )
        made.weight, made.bias = layer.weight, layer.bias
        setattr(part, name, made.train(layer.training))


def _is_plain_1x1(layer: nn.Module) -> bool:
    """Whether a layer is `nn.Conv2d`, or mmcv's, which differs for empty maps alone."""
    plain = type(layer).__name__ == "Conv2d" and isinstance(layer, nn.Conv2d)
    return plain and getattr(layer, "kernel_size", None) == (1, 1)
