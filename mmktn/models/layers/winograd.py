"""3 x 3 convolution with a quarter of the multiplications, forward and backward, on the CPU.

Winograd's F(4 x 4, 3 x 3) (Lavin and Gray, CVPR 2016): 36 products instead of 144 for 16 outputs.
Its polynomials are evaluated at 0, +-sqrt(2), +-sqrt(1/2) and infinity instead of 0, +-1, +-2 and
infinity: float32 then errs as much as in the direct sum (2e-6 of the largest value) instead of four
times as much. Transforms are matrix products over both axes of a tile at once. The gradients with
respect to input and kernel are the same kind of sum and take the same way.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mmktn.registry import MODELS

ENABLED = os.environ.get("MMKTN_WINOGRAD", "1") != "0"
"""The environment variable MMKTN_WINOGRAD=0 keeps to direct convolutions, to compare: twice the
CPU seconds in a trunk of 512 channels (docs/results.md)."""
MIN_CHANNELS = 256
MIN_CELLS = 1000
"""Below these, the transforms cost what the products save, or more (measured, 1 thread)."""
MAX_DILATION = 3
"""Above, the direct convolution skips more padding than Winograd saves."""
BAND_VALUES = 4_700_000
"""Transformed values worked on at a time: 19 MB, which C's allocator keeps instead of asking the
system for fresh pages (it does from 32 MB on, and clearing them costs as much as the transform)."""
TILE, SPAN = 4, 6
"""A tile of 4 x 4 outputs reads 6 x 6 inputs."""
OUTPUT_AXES = (2, 5, 0, 1, 3, 4, 6, 7)
"""Brings (N, rows, 4, d, columns, 4, d, O), the order of the map, to (4, 4, N, rows, d, columns, d,
O), that of the products."""
TILE_AXES = (2, 3, 0, 4, 5, 1, 6, 7)
"""Brings it back."""


@MODELS.register_module()
class WinogradConv2d(nn.Conv2d):
    """`nn.Conv2d` that computes large 3 x 3 convolutions by Winograd's algorithm on the CPU.

    Same arguments, parameters and state dict as `nn.Conv2d`; usable in `conv_cfg`.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, h, w); the result is channels-last where Winograd was used."""
        if applies(self, x):
            return winograd_conv3x3(x, self.weight, self.bias, dilation=self.dilation[0])
        return super().forward(x)


def applies(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether Winograd's algorithm is possible and expected to be faster for this input."""
    return (
        conv.kernel_size == (3, 3)
        and conv.stride == (1, 1)
        and conv.groups == 1
        and conv.padding_mode == "zeros"
        and conv.padding == conv.dilation == (conv.dilation[0],) * 2
        and conv.dilation[0] <= MAX_DILATION
        and min(conv.in_channels, conv.out_channels) >= MIN_CHANNELS
        and x.shape[0] * x.shape[2] * x.shape[3] >= MIN_CELLS
        and x.device.type == "cpu"
        and x.dtype == conv.weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()
        and not torch.compiler.is_compiling()  # its bands would be unrolled
        and ENABLED
    )


def channels_last_for_inference(x: Tensor) -> Tensor:
    """Lay maps out channels-last where convolutions profit: without gradient, on the CPU.

    oneDNN then neither reorders inputs nor results, and the order is kept by all that follows.
    """
    if torch.is_grad_enabled() or x.device.type != "cpu":
        return x
    return x.contiguous(memory_format=torch.channels_last)


def winograd_conv3x3(
    x: Tensor, weight: Tensor, bias: Tensor | None, *, dilation: int = 1
) -> Tensor:
    """Convolve with a 3 x 3 kernel, stride 1, padding = dilation; differentiable once.

    Args:
        x: (N, C, h, w), float32 or float64.
        weight: (O, C, 3, 3).
        bias: (O,) or None.
        dilation: Spacing d of the taps. The d x d interleaved sub-grids are convolved separately,
            each in tiles of 4 x 4 outputs from 6 x 6 inputs.

    Returns:
        (N, O, h, w), channels-last.
    """
    return _Winograd.apply(x, weight, bias, dilation)


class _Winograd(torch.autograd.Function):
    """The convolution and its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        return _convolve(x, weight, bias, dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needed = ctx.needs_input_grad
        turned = weight.flip(2, 3).transpose(0, 1)
        for_x = _convolve(grad, turned, None, ctx.dilation) if needed[0] else None
        for_weight = _kernel_gradient(x, grad, ctx.dilation) if needed[1] else None
        for_bias = grad.sum((0, 2, 3)) if needed[2] else None
        return for_x, for_weight, for_bias, None


@functools.cache
def _transforms(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Matrices of the algorithm (Toom and Cook's, transposed).

    Returns:
        Transform of an input tile, (36, 36); of one axis of a kernel, (6, 3); of both, (36, 9); of
        36 products to a tile of outputs, (16, 36).
    """
    exact: Any = {"dtype": torch.float64, "device": "cpu"}
    points = torch.tensor([0.0, 2**0.5, -(2**0.5), 0.5**0.5, -(0.5**0.5)], **exact)

    def values(count: int) -> Tensor:
        """Polynomials of `count` coefficients at the points; at infinity the leading one."""
        powers = points[:, None] ** torch.arange(count, **exact)
        return torch.cat([powers, torch.eye(count, **exact)[-1:]])

    def both_axes(matrix: Tensor) -> Tensor:
        return torch.kron(matrix, matrix).to(dtype)

    kernel, inverse = values(3), torch.linalg.inv(values(SPAN))
    return both_axes(inverse.T), kernel.to(dtype), both_axes(kernel), both_axes(values(TILE).T)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
    """Sum over taps and channels: (N, C, h, w) -> (N, O, h, w), channels-last."""
    to_input, to_kernel, _, to_output = _transforms(x.dtype)
    channels_out, channels_in = weight.shape[:2]
    taps = torch.mm(to_kernel, weight.permute(2, 3, 0, 1).reshape(3, -1)).view(SPAN, 3, -1)
    # One tensor per row of the tile, small enough for the allocator to keep.
    kernels = [torch.mm(to_kernel, row).view(SPAN, channels_out, channels_in) for row in taps]
    count, _, height, width = x.shape
    rows, columns = (-(-side // (TILE * dilation)) for side in (height, width))
    # The result itself and no view of it, so that a ReLU may work in place.
    whole = torch.empty(
        (count, channels_out, rows * TILE * dilation, columns * TILE * dilation),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last,
    )
    out = _by_tiles(whole, dilation)
    for band in _bands(out.shape, max(channels_in, channels_out)):
        tiles = torch.mm(to_input, _input_tiles(x, band, dilation, columns))
        tiles = tiles.view(SPAN, SPAN, -1, channels_in)
        products = x.new_empty((*tiles.shape[:-1], channels_out))
        for line, kernel, product in zip(tiles, kernels, products, strict=True):
            torch.bmm(line, kernel.transpose(1, 2), out=product)
        part = out[band]
        values = torch.mm(to_output, products.view(SPAN**2, -1))
        values = values.view(part.permute(OUTPUT_AXES).shape).permute(TILE_AXES)
        part.copy_(values) if bias is None else torch.add(values, bias, out=part)
    if whole.shape[2:] == (height, width):
        return whole
    return whole[..., :height, :width].clone(memory_format=torch.channels_last)


def _by_tiles(maps: Tensor, dilation: int) -> Tensor:
    """View (N, O, 4 rows d, 4 columns d) as (N, rows, 4, d, columns, 4, d, O)."""
    cells = maps.permute(0, 2, 3, 1)
    return cells.unflatten(2, (-1, TILE, dilation)).unflatten(1, (-1, TILE, dilation))


def _kernel_gradient(x: Tensor, grad: Tensor, dilation: int) -> Tensor:
    """Gradient with respect to the kernel: (N, C, h, w) and (N, O, h, w) -> (O, C, 3, 3)."""
    to_input, _, to_kernel, to_output = _transforms(x.dtype)
    (_, channels_out, height, width), channels_in = grad.shape, x.shape[1]
    rows, columns = (-(-side // (TILE * dilation)) for side in (height, width))
    padding = (0, columns * TILE * dilation - width, 0, rows * TILE * dilation - height)
    outputs = _by_tiles(F.pad(grad, padding), dilation)
    total = [x.new_zeros((SPAN, channels_out, channels_in)) for _ in range(SPAN)]
    for band in _bands(outputs.shape, max(channels_in, channels_out)):
        tiles = torch.mm(to_input, _input_tiles(x, band, dilation, columns))
        tiles = tiles.view(SPAN, SPAN, -1, channels_in)
        products = outputs[band].permute(OUTPUT_AXES).reshape(TILE**2, -1)
        products = torch.mm(to_output.T, products).view(*tiles.shape[:-1], channels_out)
        for line, product, kernel in zip(tiles, products, total, strict=True):
            kernel.baddbmm_(product.transpose(1, 2), line)
    taps = sum(
        torch.mm(matrix.T, kernel.view(SPAN, -1))
        for matrix, kernel in zip(to_kernel.view(SPAN, SPAN, 9), total, strict=True)
    )
    return taps.view(3, 3, channels_out, channels_in).permute(2, 3, 0, 1)


def _bands(shape: Sequence[int], channels: int) -> Iterator[tuple[slice, slice]]:
    """Images and rows of tiles that are worked on together.

    Args:
        shape: (N, rows, 4, d, columns, 4, d, O) of the result.
        channels: The larger number of channels.
    """
    count, rows, _, dilation, columns = shape[:5]
    limit = BAND_VALUES // (SPAN**2 * channels)  # tiles
    row = columns * dilation**2
    images = max(1, limit // (row * rows))
    lines = rows if images > 1 else max(1, limit // row)
    for image, line in itertools.product(range(0, count, images), range(0, rows, lines)):
        yield slice(image, image + images), slice(line, min(line + lines, rows))


def _input_tiles(x: Tensor, band: tuple[slice, slice], dilation: int, columns: int) -> Tensor:
    """Cut out, pad and gather the inputs of a band.

    Returns:
        (36, tiles * C): axis 0 counts the cells of a tile; tiles are ordered by image, row of
        tiles, row of sub-grids, column of tiles and column of sub-grids.
    """
    images, rows = band
    height, width = x.shape[2:]
    start, stop = (TILE * rows.start - 1) * dilation, (TILE * rows.stop + 1) * dilation
    inside = x.permute(0, 2, 3, 1)[images, max(start, 0) : min(stop, height)]
    padding = (
        *(0, 0),
        *(dilation, (TILE * columns + 1) * dilation - width),
        *(max(-start, 0), max(stop - height, 0)),
    )
    grids = F.pad(inside, padding).unflatten(2, (-1, dilation)).unflatten(1, (-1, dilation))
    tiles = grids.unfold(1, SPAN, TILE).unfold(3, SPAN, TILE)
    return tiles.permute(6, 7, 0, 1, 2, 3, 4, 5).reshape(SPAN**2, -1)
