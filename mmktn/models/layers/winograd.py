"""3 x 3 convolution with fewer multiplications, for inference on the CPU.

Winograd's F(2 x 2, 3 x 3) (Lavin and Gray, CVPR 2016): 16 products instead of 36 for 4 outputs. The
products are matrix products over channels, run as 1 x 1 convolutions on channels-last memory, where
oneDNN is fastest. Differs from the direct sum by float32 rounding only (about 1e-6 of the largest
value). Training, other devices, other dtypes and compiled parts use the ordinary convolution.
"""

import os
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmktn.registry import MODELS

ENABLED = os.environ.get("MMKTN_WINOGRAD", "1") != "0"
"""The environment variable MMKTN_WINOGRAD=0 keeps to direct convolutions, to compare: 1.3 to 1.4
times the CPU seconds in a trunk of 512 channels, 2.0 times from 1024 to 256 channels (MIDv2), 1.5
and 1.3 times at dilation 2 and 3 (docs/results.md)."""
MIN_CHANNELS = 256
MIN_CELLS = 3000
"""Below these, the transforms cost more than the products they save (measured, 1 thread)."""
LEVEL_CHANNELS = 256
"""From as many to as many, undilated, both take the same time, and the direct one no memory."""
MAX_DILATION = 3
"""Above, the direct convolution skips more padding than Winograd saves."""
MIN_BATCH = 16
"""PyTorch hands single-threaded 1 x 1 convolutions to oneDNN from this batch size on."""

BAND_TILES = 2048
"""Tiles worked on at a time: bounds memory; fewer would not fill the matrix products."""

# Lavin and Gray's G: kernel taps -> 4 x 4 domain.
KERNEL_TRANSFORM = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


@MODELS.register_module()
class WinogradConv2d(nn.Conv2d):
    """`nn.Conv2d` that computes large 3 x 3 convolutions by Winograd's algorithm at inference.

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
        and (max(conv.in_channels, conv.out_channels) > LEVEL_CHANNELS or conv.dilation != (1, 1))
        and x.shape[0] * x.shape[2] * x.shape[3] >= MIN_CELLS
        and x.device.type == "cpu"
        and x.dtype == conv.weight.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()
        and not torch.compiler.is_compiling()  # its bands would be unrolled
        and torch.backends.mkldnn.is_available()
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
    """Convolve with a 3 x 3 kernel, stride 1, padding = dilation; no gradient.

    Args:
        x: (N, C, h, w).
        weight: (O, C, 3, 3).
        bias: (O,) or None.
        dilation: Spacing d of the taps. The d x d interleaved sub-grids are convolved separately,
            each in tiles of 2 x 2 outputs from 4 x 4 inputs.

    Returns:
        (N, O, h, w), channels-last.
    """
    height, width = x.shape[-2:]
    rows, columns = -(-height // (2 * dilation)), -(-width // (2 * dilation))  # tiles per sub-grid
    cells = x.permute(0, 2, 3, 1)
    taps = weight.permute(0, 2, 3, 1).reshape(len(weight), 9, -1)
    out = x.new_empty((len(x), rows, 2, dilation, columns, 2, dilation, len(weight)))
    band = max(1, BAND_TILES // (len(x) * columns * dilation**2))
    for start in range(0, rows, band):
        part = out[:, start : start + band]
        _convolve_band(_band_lines(cells, part, first_row=start), taps, bias, out=part)
    out = out.view(len(x), 2 * rows * dilation, 2 * columns * dilation, -1)
    return out[:, :height, :width].permute(0, 3, 1, 2)


def _band_lines(cells: Tensor, out: Tensor, *, first_row: int) -> Tensor:
    """Cut out and pad the input of some rows of tiles.

    Args:
        cells: (N, h, w, C) the whole input.
        out: Result of the band, see `_convolve_band`.
        first_row: First row of tiles.

    Returns:
        (N, 2 rows + 2, d, (2 columns + 2) d, C): line (2 t + i) d + p of the padded input belongs
        to sub-grid p, tile t and line i of that tile; axis 1 counts 2 t + i.
    """
    rows, _, dilation, columns = out.shape[1:5]
    height, width = cells.shape[1:3]
    start, stop = (2 * first_row - 1) * dilation, (2 * (first_row + rows) + 1) * dilation
    inside = cells[:, max(start, 0) : min(stop, height)]
    padding = (
        *(0, 0),
        *(dilation, (2 * columns + 1) * dilation - width),
        *(max(-start, 0), max(stop - height, 0)),
    )
    return F.pad(inside, padding).unflatten(1, (2 * rows + 2, dilation))


def _convolve_band(lines: Tensor, taps: Tensor, bias: Tensor | None, *, out: Tensor) -> None:
    """Fill some rows of tiles.

    Args:
        lines: (N, 2 rows + 2, d, (2 columns + 2) d, C) padded input.
        taps: (O, 9, C) kernel.
        bias: (O,) or None.
        out: (N, rows, 2, d, columns, 2, d, O), written.
    """
    n, rows, _, dilation, columns = out.shape[:5]

    def products(i: int, line: Tensor) -> Iterator[tuple[Tensor]]:
        kernel = _transform_kernel(taps, row=i)
        tiles = line.view(n, rows, dilation, 2 * columns + 2, dilation, -1)
        for j, tile in enumerate(_transform_input(tiles, axis=3, tiles=columns)):
            yield (_product(tile, kernel[j]),)

    def columns_of_rows() -> Iterator[tuple[Tensor, Tensor]]:
        for i, line in enumerate(_transform_input(lines, axis=1, tiles=rows)):
            (even,), (odd,) = _transform_output(products(i, line))
            yield even, odd

    for row, values in enumerate(_transform_output(columns_of_rows())):
        for column, value in enumerate(values):
            target = out[:, :, row, :, :, column]
            value = value.view(target.shape)
            target.copy_(value) if bias is None else torch.add(value, bias, out=target)


def _transform_input(x: Tensor, *, axis: int, tiles: int) -> Iterator[Tensor]:
    """One axis of B^T d B: lines 0..3 of every tile -> d0 - d2, d1 + d2, d2 - d1, d1 - d3."""
    d = [x.narrow(axis, i, 2 * tiles) for i in range(3)] + [x.narrow(axis, 3, 2 * tiles - 1)]
    index = [slice(None)] * x.dim()
    index[axis] = slice(None, None, 2)
    d0, d1, d2, d3 = (part[tuple(index)] for part in d)
    yield d0 - d2
    yield d1 + d2
    yield d2 - d1
    yield d1 - d3


def _transform_output(
    items: Iterator[tuple[Tensor, ...]],
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return one axis of A^T m A: m0 + m1 + m2 and m1 - m2 - m3, in the memory of m0 and m1."""
    evens, odds = next(items), next(items)
    for even, odd in zip(evens, odds, strict=True):
        even.add_(odd)
    for even, odd, third in zip(evens, odds, next(items), strict=True):
        even.add_(third)
        odd.sub_(third)
    for odd, fourth in zip(odds, next(items), strict=True):
        odd.sub_(fourth)
    return evens, odds


def _transform_kernel(taps: Tensor, *, row: int) -> Tensor:
    """One row of G g G^T: (O, 9, C) -> (4, O, C)."""
    g = taps.new_tensor(KERNEL_TRANSFORM)
    both_axes = torch.einsum("a,jb->jab", g[row], g).reshape(4, 9)
    return torch.matmul(both_axes, taps).transpose(0, 1)


def _product(cells: Tensor, kernel: Tensor) -> Tensor:
    """Matrix product over channels: (..., C) with (O, C) -> (P, O)."""
    flat = cells.reshape(-1, cells.shape[-1])
    count = len(flat)
    batch = next((k for k in range(MIN_BATCH, count) if count % k == 0), count)
    maps = flat.view(batch, count // batch, 1, -1).permute(0, 3, 1, 2)
    return F.conv2d(maps, kernel[:, :, None, None]).permute(0, 2, 3, 1).reshape(count, -1)
