"""Deformable convolution, plain and modulated, with the signatures of mmcv's compiled operators.

Dai et al., Deformable Convolutional Networks (2017); Zhu et al., Deformable ConvNets v2 (2018).
torchvision's operator runs where it loads, else the samples are gathered in torch. The backward
pass computes the forward one again and differentiates it: a third more work than keeping the
samples, which are kernel height times kernel width times as large as the map.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmktn.compat.backend import ops_backend

Pair = tuple[int, int]


class Geometry(NamedTuple):
    """How the kernel moves over the map; pairs are (vertical, horizontal)."""

    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int
    deform_groups: int


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geometry: Geometry,
) -> Tensor:
    """Convolve a map whose samples are moved by offsets.

    Args:
        input: (B, C, H, W).
        offset: (B, deform_groups * kernel cells * 2, h, w) in cells, vertical before horizontal.
        weight: (O, C / groups, kernel height, kernel width).
        mask: (B, deform_groups * kernel cells, h, w) factors of the samples, or None.
        bias: (O,) or None.
        geometry: Stride, padding, dilation and groups.

    Returns:
        (B, O, h, w).

    Raises:
        ValueError: The channels or the size of `offset` or `mask` do not fit.
    """
    _check(input, offset, weight, mask, geometry)
    if ops_backend() == "torchvision":
        from torchvision.ops import deform_conv2d as compiled

        return compiled(
            input,
            offset,
            weight,
            bias,
            stride=geometry.stride,
            padding=geometry.padding,
            dilation=geometry.dilation,
            mask=mask,
        )
    batch, channels = input.shape[:2]
    out_channels, _, kernel_h, kernel_w = weight.shape
    out_h, out_w = offset.shape[2:]
    samples = _sample(input, *_positions(offset, (kernel_h, kernel_w), geometry), geometry)
    if mask is not None:
        samples = samples * mask.reshape(batch, geometry.deform_groups, 1, -1)
    # Group g of the weights reads channels g * C / groups and following, with all their samples.
    columns = samples.reshape(
        batch, geometry.groups, channels // geometry.groups * kernel_h * kernel_w, out_h * out_w
    )
    kernels = weight.reshape(geometry.groups, out_channels // geometry.groups, -1)
    output = (kernels @ columns).reshape(batch, out_channels, out_h, out_w)
    return output if bias is None else output + bias[:, None, None]


def _positions(offset: Tensor, kernel_hw: Pair, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """Return the rows and columns (B, deform_groups, kernel cells, h, w) of all samples."""
    batch, _, *out_hw = offset.shape
    moved = offset.reshape(batch, geometry.deform_groups, kernel_hw[0] * kernel_hw[1], 2, *out_hw)
    options: dict[str, Any] = {"device": offset.device, "dtype": offset.dtype}
    starts = [
        torch.arange(size, **options) * stride - padding
        for size, stride, padding in zip(out_hw, geometry.stride, geometry.padding, strict=True)
    ]
    steps = [
        torch.arange(size, **options) * dilation
        for size, dilation in zip(kernel_hw, geometry.dilation, strict=True)
    ]
    down = steps[0].repeat_interleave(kernel_hw[1])[:, None, None]
    across = steps[1].repeat(kernel_hw[0])[:, None, None]
    rows = moved[:, :, :, 0] + starts[0][:, None] + down
    return rows, moved[:, :, :, 1] + starts[1] + across


def _sample(input: Tensor, rows: Tensor, columns: Tensor, geometry: Geometry) -> Tensor:
    """Read a map between its cells: (B, deform_groups, C / deform_groups, samples), 0 outside."""
    batch, channels, height, width = input.shape
    groups = geometry.deform_groups
    cells = input.reshape(batch, groups, channels // groups, height * width)
    rows, columns = rows.reshape(batch, groups, 1, -1), columns.reshape(batch, groups, 1, -1)
    inside = (rows > -1) & (rows < height) & (columns > -1) & (columns < width)
    # An infinite or undefined position has no cell.
    rows, columns = rows.where(inside, 0), columns.where(inside, 0)
    top, left = rows.detach().floor(), columns.detach().floor()
    total: Tensor | int = 0
    for row, row_weight in ((top, top + 1 - rows), (top + 1, rows - top)):
        for column, column_weight in ((left, left + 1 - columns), (left + 1, columns - left)):
            there = inside & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            index = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            value = cells.gather(3, index.long().expand(-1, -1, channels // groups, -1))
            total = total + value * (row_weight * column_weight * there)
    assert isinstance(total, Tensor)
    return total


def _check(
    input: Tensor, offset: Tensor, weight: Tensor, mask: Tensor | None, geometry: Geometry
) -> None:
    kernel_hw = (weight.shape[2], weight.shape[3])
    cells = kernel_hw[0] * kernel_hw[1]
    size = [
        (extent + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        for extent, padding, dilation, kernel, stride in zip(
            input.shape[2:],
            geometry.padding,
            geometry.dilation,
            kernel_hw,
            geometry.stride,
            strict=True,
        )
    ]
    _check_shape("offset", offset, [len(input), 2 * geometry.deform_groups * cells, *size])
    if mask is not None:
        _check_shape("mask", mask, [len(input), geometry.deform_groups * cells, *size])
    if input.shape[1] % geometry.deform_groups:
        raise ValueError(
            f"deformable convolution: {input.shape[1]} channels do not divide into "
            f"{geometry.deform_groups} deform_groups"
        )


def _check_shape(name: str, tensor: Tensor, expected: list[int]) -> None:
    if list(tensor.shape) != expected:
        raise ValueError(
            f"deformable convolution: {name} is {list(tensor.shape)}, this input and kernel need "
            f"{expected}"
        )


def _gradients(
    tensors: Sequence[Tensor | None], geometry: Geometry, grad_output: Tensor
) -> tuple[Tensor | None, ...]:
    """Differentiate deform_conv2d at input, offset, weight, mask, bias; None stays None."""
    leaves = [None if tensor is None else tensor.detach().requires_grad_() for tensor in tensors]
    with torch.enable_grad():
        output = deform_conv2d(*leaves, geometry)  # type: ignore[call-arg,arg-type]
    present = [leaf for leaf in leaves if leaf is not None]
    gradients = iter(torch.autograd.grad(output, present, grad_output))
    return tuple(None if leaf is None else next(gradients) for leaf in leaves)


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    *,
    im2col_step: int,
    **sizes: int,
) -> None:
    """Write the plain convolution to `output` (B, O, h, w); see `deform_conv2d`.

    Args:
        input: As in `deform_conv2d`.
        weight: As in `deform_conv2d`.
        offset: As in `deform_conv2d`.
        output: Changed in place.
        columns: Scratch of the compiled operator, unused.
        ones: Scratch of the compiled operator, unused.
        im2col_step: Images at a time in the compiled operator, unused.
        **sizes: dH, dW (stride), padH, padW, dilationH, dilationW, group, deformable_group.
    """
    output.copy_(deform_conv2d(input, offset, weight, None, None, _plain_geometry(sizes)))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    *,
    im2col_step: int,
    **sizes: int,
) -> None:
    """Add the gradients of deform_conv_forward to `grad_input` and `grad_offset` in place.

    Args:
        input: As in the forward pass, like `offset`, `weight` and all that are not named here.
        offset: As in the forward pass.
        grad_output: (B, O, h, w).
        grad_input: (B, C, H, W), changed in place.
        grad_offset: Of the shape of `offset`, changed in place.
        weight: As in the forward pass.
        columns: Unused.
        im2col_step: Unused.
        **sizes: As in the forward pass.
    """
    tensors = (input, offset, weight, None, None)
    gradients = _gradients(tensors, _plain_geometry(sizes), grad_output)
    _add((grad_input, grad_offset), gradients[:2])


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    *,
    scale: float,
    im2col_step: int,
    **sizes: int,
) -> None:
    """Add `scale` times the gradient of deform_conv_forward to `grad_weight` in place.

    Args:
        input: As in the forward pass.
        offset: As in the forward pass.
        grad_output: (B, O, h, w).
        grad_weight: Of the shape of the weights, changed in place.
        columns: Unused.
        ones: Unused.
        scale: Factor of the gradient.
        im2col_step: Unused.
        **sizes: As in the forward pass.
    """
    # The gradient does not depend on the weights' values.
    tensors = (input, offset, torch.zeros_like(grad_weight), None, None)
    gradient = _gradients(tensors, _plain_geometry(sizes), grad_output)[2]
    assert gradient is not None
    _add((grad_weight,), (scale * gradient,))


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    *,
    with_bias: bool,
    **sizes: int,
) -> None:
    """Write the modulated convolution to `output` (B, O, h, w); see `deform_conv2d`.

    Args:
        input: As in `deform_conv2d`.
        weight: As in `deform_conv2d`.
        bias: (O,), read only `with_bias`.
        ones: Scratch of the compiled operator, unused.
        offset: As in `deform_conv2d`.
        mask: As in `deform_conv2d`.
        output: Changed in place.
        columns: Scratch of the compiled operator, unused.
        with_bias: Whether `bias` is added.
        **sizes: stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group.
    """
    bias_or_none = bias if with_bias else None
    geometry = _modulated_geometry(sizes)
    output.copy_(deform_conv2d(input, offset, weight, mask, bias_or_none, geometry))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    *,
    with_bias: bool,
    **sizes: int,
) -> None:
    """Add the gradients of modulated_deform_conv_forward to the `grad_` tensors in place.

    Args:
        input: As in the forward pass, like all that do not begin with `grad_`.
        weight: As in the forward pass.
        bias: As in the forward pass.
        ones: Unused.
        offset: As in the forward pass.
        mask: As in the forward pass.
        columns: Unused.
        grad_input: Of the shape of `input`, changed in place.
        grad_weight: Of the shape of `weight`, changed in place.
        grad_bias: Of the shape of `bias`, changed in place `with_bias`.
        grad_offset: Of the shape of `offset`, changed in place.
        grad_mask: Of the shape of `mask`, changed in place.
        grad_output: (B, O, h, w).
        with_bias: As in the forward pass.
        **sizes: As in the forward pass.
    """
    tensors = (input, offset, weight, mask, bias if with_bias else None)
    gradients = _gradients(tensors, _modulated_geometry(sizes), grad_output)
    _add((grad_input, grad_offset, grad_weight, grad_mask, grad_bias), gradients)


def _add(totals: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
    for total, gradient in zip(totals, gradients, strict=True):
        if gradient is not None:
            total += gradient


def _plain_geometry(sizes: dict[str, int]) -> Geometry:
    return Geometry(
        (sizes["dH"], sizes["dW"]),
        (sizes["padH"], sizes["padW"]),
        (sizes["dilationH"], sizes["dilationW"]),
        sizes["group"],
        sizes["deformable_group"],
    )


def _modulated_geometry(sizes: dict[str, int]) -> Geometry:
    return Geometry(
        (sizes["stride_h"], sizes["stride_w"]),
        (sizes["pad_h"], sizes["pad_w"]),
        (sizes["dilation_h"], sizes["dilation_w"]),
        sizes["group"],
        sizes["deformable_group"],
    )
