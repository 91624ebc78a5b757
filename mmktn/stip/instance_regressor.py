"""Per-pixel generated 1x1 kernels applied to features, without storing the kernels.

STIP's instance-specific regressor generates K kernels of length D at every pixel and takes their
mean product with the features. Written down directly it stores ``(B, K, D, H, W)``: 176 MB for
eight 256x192 crops. The kernels are an affine map of the generator features G, so the result is
trilinear in (weight, G, features): it is computed here tile by tile in cache, and so is its
gradient, which needs no kernel at all. Exact up to rounding.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmktn.stip.blocks import at_least_float32

# Bytes of one tile of generated kernels. On a CPU a tile should stay in the second-level cache; on
# an accelerator fewer, larger launches win.
_CPU_TILE_BYTES = 1 << 20
_ACCELERATOR_TILE_BYTES = 1 << 28


def _tiles(generator: Tensor, kernel_length: int) -> Iterator[tuple[slice, slice]]:
    """Cut ``(B, P)`` into blocks of images and pixels that hold one tile budget each."""
    batch, pixels, _ = generator.shape
    budget = _CPU_TILE_BYTES * torch.get_num_threads()
    if generator.device.type != "cpu":
        budget = _ACCELERATOR_TILE_BYTES
    rows = max(64, budget // (kernel_length * generator.element_size()))
    images = max(1, rows // pixels)
    for first in range(0, batch, images):
        block = slice(first, min(first + images, batch))
        for start in range(0, pixels, rows):
            yield block, slice(start, min(start + rows, pixels))


def _trilinear(generator: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    """``out[b,p,k] = sum_{d,e} weight[k,d,e] * features[b,p,d] * generator[b,p,e]``."""
    if torch.jit.is_tracing():
        # Without tiles, whose number depends on the batch: a traced loop would keep that of the
        # example. One keypoint at a time holds (B, P, D), not the kernels.
        each = (torch.matmul(generator, part.t()).mul(features).sum(-1) for part in weight)
        return torch.stack(list(each), dim=-1)
    keypoints, depth, width = weight.shape
    kernel_weight = weight.reshape(keypoints * depth, width).t()
    out = generator.new_zeros(*generator.shape[:2], keypoints)
    for block, rows in _tiles(generator, keypoints * depth):
        kernels = torch.matmul(generator[block, rows], kernel_weight)
        kernels = kernels.unflatten(-1, (keypoints, depth))
        kernels.mul_(features[block, rows].unsqueeze(-2))
        out[block, rows] = kernels.sum(-1)
    return out


class _Trilinear(torch.autograd.Function):
    """`_trilinear` with a gradient that is tiled too; only its three inputs are kept."""

    @staticmethod
    def forward(ctx: Any, generator: Tensor, features: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(generator, features, weight)
        return _trilinear(generator, features, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        generator, features, weight = ctx.saved_tensors
        keypoints, depth, width = weight.shape
        to_features = weight.transpose(1, 2).reshape(keypoints * width, depth)
        to_generator = weight.reshape(keypoints * depth, width)
        grad_generator = torch.zeros_like(generator)
        grad_features = torch.zeros_like(features)
        grad_weight = weight.new_zeros(keypoints * depth, width)
        for block, rows in _tiles(generator, keypoints * max(depth, width)):
            g, f = generator[block, rows], features[block, rows]
            slope = grad[block, rows].unsqueeze(-1)
            product = (slope * g.unsqueeze(-2)).flatten(-2)
            grad_features[block, rows] = torch.matmul(product, to_features)
            product = (slope * f.unsqueeze(-2)).flatten(-2)
            grad_generator[block, rows] = torch.matmul(product, to_generator)
            grad_weight.addmm_(product.flatten(0, 1).t(), g.flatten(0, 1))
        return grad_generator, grad_features, grad_weight.view_as(weight)


def _pixels_first(x: Tensor) -> Tensor:
    """Return ``(B, C, H, W)`` to ``(B, H*W, C)``; free of a copy if the map is channels-last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2).contiguous()


def mean_generated_product(
    generator: Tensor, features: Tensor, *, weight: Tensor, bias: Tensor
) -> Tensor:
    """Apply generated kernels to features: ``mean_d(kernels[b,k,d,h,w] * features[b,d,h,w])``.

    The kernels are ``conv1x1(generator; weight, bias)``, viewed as ``(B, K, D, H, W)``; they are
    never stored. Runs in float32 or better whatever the autocast type.

    Args:
        generator: Features the kernels come from ``(B, E, H, W)``.
        features: Features the kernels are applied to ``(B, D, H, W)``.
        weight: Generator weight ``(K * D, E, 1, 1)``.
        bias: Generator bias ``(K * D,)``.

    Returns:
        Maps ``(B, K, H, W)``.

    Raises:
        ValueError: If the weight does not fit the two maps.
    """
    batch, depth, height, width = features.shape
    rows, in_channels = weight.shape[:2]
    if rows % depth or in_channels != generator.shape[1] or bias.shape != (rows,):
        raise ValueError(
            f"weight {tuple(weight.shape)} and bias {tuple(bias.shape)} do not generate kernels of "
            f"length {depth} from {generator.shape[1]} channels; weight must be (K * {depth}, "
            f"{generator.shape[1]}, 1, 1) and bias (K * {depth},)"
        )
    with torch.autocast(features.device.type, enabled=False):
        # The bias part is linear in the features: one more column of ones would cost as much as
        # 1/E of the whole, a K x D product costs nothing.
        cells = _pixels_first(at_least_float32(features))
        cube = at_least_float32(weight).view(-1, depth, in_channels) / depth
        # Without gradient the plain function runs, which tracers and exporters can follow.
        trilinear = _Trilinear.apply if torch.is_grad_enabled() else _trilinear
        maps = trilinear(_pixels_first(at_least_float32(generator)), cells, cube)
        maps = maps + torch.matmul(cells, at_least_float32(bias).view(-1, depth).t() / depth)
    return maps.view(batch, height, width, -1).permute(0, 3, 1, 2)


def mean_generated_kernel(generator: Tensor, *, weight: Tensor, bias: Tensor, depth: int) -> Tensor:
    """Average the generated kernels over their length: ``mean_d(kernels[b,k,d,h,w])``.

    Averaging commutes with the generator, so this is one ordinary 1x1 convolution.

    Args:
        generator: Features the kernels come from ``(B, E, H, W)``, at any resolution (bilinear
            enlargement commutes with it too).
        weight: Generator weight ``(K * D, E, 1, 1)``.
        bias: Generator bias ``(K * D,)``.
        depth: Kernel length D.

    Returns:
        Kernel maps ``(B, K, H, W)``.
    """
    mean_weight = weight.unflatten(0, (-1, depth)).mean(1)
    return torch.nn.functional.conv2d(generator, mean_weight, bias.view(-1, depth).mean(1))


def mean_squared_kernel(generator: Tensor, *, weight: Tensor, bias: Tensor) -> Tensor:
    """Average the squares of all kernel entries of each image (a diagnostic; no gradient).

    Uses ``sum_p |A x_p|^2 = <A^T A, sum_p x_p x_p^T>``, so the kernels are not needed.

    Args:
        generator: Features the kernels come from ``(B, E, H, W)``.
        weight: Generator weight ``(K * D, E, 1, 1)``.
        bias: Generator bias ``(K * D,)``.

    Returns:
        One number an image ``(B,)``.
    """
    with torch.no_grad(), torch.autocast(generator.device.type, enabled=False):
        cells = _pixels_first(at_least_float32(generator.detach()))
        cells = torch.cat([cells, torch.ones_like(cells[..., :1])], dim=-1)
        gram = torch.matmul(cells.transpose(1, 2), cells) / cells.shape[1]
        affine = at_least_float32(torch.cat([weight.flatten(1), bias[:, None]], dim=1).detach())
        return (gram * (affine.t() @ affine)).sum((1, 2)) / len(bias)
