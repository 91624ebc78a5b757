"""Initialisation of the official code: normal, variance 2 / fan-out, zero bias."""

from typing import TypeVar

from torch import nn

Layer = TypeVar("Layer", nn.Conv2d, nn.ConvTranspose2d)


def kaiming_out(layer: Layer) -> Layer:
    """Initialise a layer in place and return it.

    For transposed convolutions fan-out is PyTorch's: input channels times kernel cells.
    """
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
