"""The operators that the stand-in of `mmcv._ext` offers, with the signatures of the compiled ones.

NMS, deformable convolution, and RoIAlign on a GPU, take torchvision's operators where those load
(backend.py), else the plain torch ones. RoIAlign on the CPU is always the plain torch one: it gives
the same values and takes a half (forward) to a quarter (backward) of the time of torchvision's.
The others have no counterpart in torchvision. MMKTN_FORCE_STANDINS=1 leaves torchvision out.
"""

import torch
from torch import Tensor

from mmktn.compat import nms as torch_nms
from mmktn.compat import roi_align as torch_roi_align
from mmktn.compat import suppression
from mmktn.compat.backend import INSTALL_COMPILED, ops_backend
from mmktn.compat.deform_conv import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from mmktn.compat.focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
    softmax_focal_loss_backward,
    softmax_focal_loss_forward,
)

__all__ = [
    "bbox_overlaps",
    "deform_conv_backward_input",
    "deform_conv_backward_parameters",
    "deform_conv_forward",
    "get_compiler_version",
    "get_compiling_cuda_version",
    "modulated_deform_conv_backward",
    "modulated_deform_conv_forward",
    "ms_deform_attn_backward",
    "ms_deform_attn_forward",
    "nms",
    "nms_match",
    "roi_align_backward",
    "roi_align_forward",
    "sigmoid_focal_loss_backward",
    "sigmoid_focal_loss_forward",
    "softmax_focal_loss_backward",
    "softmax_focal_loss_forward",
    "softnms",
]

_AVERAGE = 1


def roi_align_backend(device: torch.device) -> str:
    """Tell where RoIAlign runs on a device: ``"torchvision"`` or ``"torch"``."""
    return "torch" if device.type == "cpu" else ops_backend()


def get_compiler_version() -> str:
    """Answer mmcv.ops.get_compiler_version."""
    return "none (mmktn stand-in)"


def get_compiling_cuda_version() -> str:
    """Answer mmcv.ops.get_compiling_cuda_version."""
    return "not available"


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Run greedy NMS.

    Args:
        boxes: (N, 4) x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: Boxes with a larger IoU are dropped.
        offset: 0 or 1, added to widths and heights.

    Returns:
        Indices of the kept boxes, by descending score.
    """
    if boxes.numel() == 0:
        return torch.zeros(0, dtype=torch.long, device=boxes.device)
    if ops_backend() == "torch":
        return torch_nms.nms(boxes, scores, iou_threshold, offset)
    # Moving the far corner by the offset is the same as adding it to width and height.
    shifted = boxes.float() + boxes.new_tensor([0, 0, offset, offset], dtype=torch.float32)
    return torch.ops.torchvision.nms(shifted, scores.float(), iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Run soft NMS; see mmktn.compat.suppression.

    Args:
        boxes: (N, 4) x1, y1, x2, y2.
        scores: (N,).
        dets: (N, 5); its first K rows get the boxes that are left, with their lowered scores.
        iou_threshold: From this IoU on, a box is dropped (naive) or lowered (linear).
        sigma: Width of the gaussian method.
        min_score: Boxes that fall below it are dropped.
        method: 0 naive, 1 linear, 2 gaussian.
        offset: 0 or 1, added to widths and heights.

    Returns:
        Indices (K,) of the boxes that are left, in the order of `dets`.
    """
    indices, lowered = suppression.soft_nms(
        boxes.detach().float().numpy(),
        scores.detach().float().numpy(),
        iou_threshold=iou_threshold,
        sigma=sigma,
        min_score=min_score,
        method=method,
        offset=offset,
    )
    left = torch.from_numpy(indices)
    dets[: len(left), :4] = boxes[left]
    dets[: len(left), 4] = torch.from_numpy(lowered).to(dets.dtype)
    return left


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Group each kept box of (N, 5) `dets` with those that it suppresses; see suppression.py."""
    dets = dets.detach().float().cpu()
    # Not a stable sort: this is the order that the compiled operator gives to equal scores.
    order = dets[:, 4].sort(descending=True).indices
    return suppression.nms_match(dets.numpy(), order.numpy(), iou_threshold)


def bbox_overlaps(
    bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int
) -> None:
    """Write the overlaps of two sets of boxes to `ious`.

    Args:
        bboxes1: (M, 4) x1, y1, x2, y2.
        bboxes2: (N, 4).
        ious: (M, N), or (M,) when aligned, changed in place.
        mode: 0 divides by the union, 1 by the area of the first box.
        aligned: Compare row by row.
        offset: 0 or 1, added to widths and heights.
    """
    first = bboxes1 if aligned else bboxes1[:, None]
    ious.copy_(torch_nms.box_overlaps(first, bboxes2, offset, of_first=mode == 1))


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Attend to samples of several maps; mmcv's own torch version does the work.

    Args:
        value: (B, keys, heads, channels of a head).
        value_spatial_shapes: (levels, 2) heights and widths.
        value_level_start_index: Unused.
        sampling_locations: (B, queries, heads, levels, points, 2) x, y in [0, 1].
        attention_weights: (B, queries, heads, levels, points).
        im2col_step: Unused.

    Returns:
        (B, queries, heads * channels of a head).
    """
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    return multi_scale_deformable_attn_pytorch(
        value, value_spatial_shapes, sampling_locations, attention_weights
    )


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Add the gradients of ms_deform_attn_forward to the three tensors before the last argument.

    Args:
        value: As in the forward pass, like all up to `attention_weights`.
        value_spatial_shapes: As in the forward pass.
        value_level_start_index: Unused.
        sampling_locations: As in the forward pass.
        attention_weights: As in the forward pass.
        grad_output: (B, queries, heads * channels of a head).
        grad_value: Of the shape of `value`, changed in place.
        grad_sampling_loc: Of the shape of `sampling_locations`, changed in place.
        grad_attn_weight: Of the shape of `attention_weights`, changed in place.
        im2col_step: Unused.
    """
    leaves = [
        tensor.detach().requires_grad_()
        for tensor in (value, sampling_locations, attention_weights)
    ]
    with torch.enable_grad():
        output = ms_deform_attn_forward(
            leaves[0],
            value_spatial_shapes,
            value_level_start_index,
            leaves[1],
            leaves[2],
            im2col_step,
        )
    gradients = torch.autograd.grad(output, leaves, grad_output)
    totals = (grad_value, grad_sampling_loc, grad_attn_weight)
    for total, gradient in zip(totals, gradients, strict=True):
        total += gradient


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write RoIAlign of a map to `output`; see mmktn.compat.roi_align.

    Args:
        input: (B, C, h, w) map.
        rois: (N, 5) batch index and x1, y1, x2, y2 in image pixels.
        output: (N, C, aligned_height, aligned_width), changed in place.
        argmax_y: Used by max pooling only.
        argmax_x: Used by max pooling only.
        aligned_height: Output rows.
        aligned_width: Output columns.
        spatial_scale: Map cells per image pixel.
        sampling_ratio: Samples along each axis of a bin, 0 for as many as cells.
        pool_mode: 1 = average.
        aligned: Shift by half a cell.

    Raises:
        NotImplementedError: `pool_mode` is 0 (max).
    """
    _require_average(pool_mode)
    if roi_align_backend(input.device) == "torch":
        result = torch_roi_align.roi_align_forward(
            input,
            rois,
            bins_hw=(aligned_height, aligned_width),
            spatial_scale=spatial_scale,
            sampling_ratio=sampling_ratio,
            aligned=aligned,
        )
    else:
        features = _supported(input)
        result = torch.ops.torchvision.roi_align(
            features,
            rois.to(features.dtype),
            spatial_scale,
            aligned_height,
            aligned_width,
            sampling_ratio,
            aligned,
        )
    output.copy_(result)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Add the gradient of roi_align_forward to `grad_input` (B, C, h, w) in place.

    Args:
        grad_output: (N, C, aligned_height, aligned_width).
        rois: As in the forward pass, like all that follow.
        argmax_y: Used by max pooling only.
        argmax_x: Used by max pooling only.
        grad_input: (B, C, h, w), changed in place.
        aligned_height: Output rows.
        aligned_width: Output columns.
        spatial_scale: Map cells per image pixel.
        sampling_ratio: Samples along each axis of a bin.
        pool_mode: 1 = average.
        aligned: Shift by half a cell.

    Raises:
        NotImplementedError: `pool_mode` is 0 (max).
    """
    _require_average(pool_mode)
    if roi_align_backend(grad_output.device) == "torch":
        torch_roi_align.roi_align_backward(
            grad_output,
            rois,
            grad_input,
            spatial_scale=spatial_scale,
            sampling_ratio=sampling_ratio,
            aligned=aligned,
        )
        return
    grad = _supported(grad_output)
    grad_input += torch.ops.torchvision._roi_align_backward(
        grad,
        rois.to(grad.dtype),
        spatial_scale,
        aligned_height,
        aligned_width,
        *grad_input.shape,
        sampling_ratio,
        aligned,
    ).to(grad_input.dtype)


def _require_average(pool_mode: int) -> None:
    if pool_mode != _AVERAGE:
        raise NotImplementedError(
            "RoIAlign with pool_mode='max' needs mmcv's compiled operator 'roi_align_forward'; use "
            f"pool_mode='avg' or install the compiled package with: {INSTALL_COMPILED}"
        )


def _supported(tensor: Tensor) -> Tensor:
    """Return a tensor of a type that torchvision's operator takes, on this device."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
