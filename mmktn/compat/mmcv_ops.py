"""The operators that the stand-in of `mmcv._ext` offers, with the signatures of the compiled ones.

NMS, and RoIAlign on a GPU, take torchvision's operators where those load, else the plain torch
ones. RoIAlign on the CPU is always the plain torch one: it gives the same values and takes a half
(forward) to a quarter (backward) of the time of torchvision's. MMKTN_FORCE_STANDINS=1 leaves
torchvision out.
"""

import functools

import torch
from torch import Tensor

from mmktn.compat import nms as torch_nms
from mmktn.compat import roi_align as torch_roi_align
from mmktn.compat.fix import stand_in_mode

__all__ = [
    "get_compiler_version",
    "get_compiling_cuda_version",
    "nms",
    "roi_align_backward",
    "roi_align_forward",
    "softnms",
]

_AVERAGE = 1


@functools.cache
def ops_backend() -> str:
    """Tell whether ``"torchvision"`` brings its operators, or only ``"torch"`` is there."""
    if stand_in_mode() == "force":
        return "torch"
    try:
        from torchvision.extension import _has_ops
    except ImportError:
        return "torch"
    return "torchvision" if _has_ops() else "torch"


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
    """Refuse: soft NMS needs the compiled package.

    Raises:
        NotImplementedError: Always; names the alternative and the install command.
    """
    from mmktn.compat.mmcv_ext import INSTALL_COMPILED

    raise NotImplementedError(
        "mmcv's compiled operator 'softnms' is not available; use nms=dict(type='nms') in the "
        f"config or install the compiled package with: {INSTALL_COMPILED}"
    )


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
        from mmktn.compat.mmcv_ext import INSTALL_COMPILED

        raise NotImplementedError(
            "RoIAlign with pool_mode='max' needs mmcv's compiled operator 'roi_align_forward'; use "
            f"pool_mode='avg' or install the compiled package with: {INSTALL_COMPILED}"
        )


def _supported(tensor: Tensor) -> Tensor:
    """Return a tensor of a type that torchvision's operator takes, on this device."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
