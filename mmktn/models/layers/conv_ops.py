"""Convolutions written so that no work is spent on copies or on zeros; results are unchanged.

`conv1x1_of_concat` is a 1 x 1 convolution over a concatenation, computed as the sum of the
convolutions of its parts: the concatenation (1024 channels at stride 4 in MIDv2) is never stored.
`dilated_conv` skips taps that can only meet zero padding (dilation 56 on a 28 x 28 map).
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv1x1_of_concat(parts: Iterable[Tensor], conv: nn.Conv2d) -> Tensor:
    """Convolve `cat(parts, dim=1)` with a 1 x 1 kernel without building the concatenation.

    Args:
        parts: Maps (B, C_k, h, w) whose channels add up to `conv.in_channels`; a generator is
            consumed one map at a time. A part (B, C_k, 1, 1) stands for a constant map.
        conv: The 1 x 1 convolution.

    Returns:
        (B, conv.out_channels, h, w).

    Raises:
        ValueError: The channels do not add up.
    """
    total: Tensor | None = None
    start = 0
    for part in parts:
        stop = start + part.shape[1]
        weight = conv.weight[:, start:stop]
        term = F.conv2d(part, weight, conv.bias if total is None else None)
        total = term if total is None else accumulate(total, term)
        start = stop
    if total is None or start != conv.in_channels:
        raise ValueError(f"the parts have {start} channels together, not {conv.in_channels}")
    return total


def accumulate(total: Tensor, term: Tensor) -> Tensor:
    """Add, into the memory of `total` where no gradient needs its old value."""
    if torch.is_grad_enabled() or total.shape != term.shape:
        return total + term
    return total.add_(term)


def dilated_conv(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Apply a 3 x 3 convolution with padding = dilation, skipping taps that lie in the padding.

    Args:
        x: (B, C, h, w).
        conv: 3 x 3, stride 1, padding equal to dilation.

    Returns:
        What `conv(x)` gives.
    """
    reach = conv.dilation[0]
    if reach < max(x.shape[-2:]):
        return conv(x)
    return F.conv2d(x, conv.weight[:, :, 1:2, 1:2], conv.bias)
