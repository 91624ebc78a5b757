"""The KTN v2 DensePose branch written down directly: the yardstick of `bench_densepose_branch.py`.

One call after the other, as the released code does it: every level is brought to stride 4, branches
are concatenated, all boxes run at once, the transfer machine runs in every forward pass, all maps
are made, and decoding resizes every channel to the box. It reads the parameters of our modules, so
both sides can be compared number by number.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import bbox2roi
from torch import Tensor, nn

from mmktn.models.rcnn import DensePoseRoIHead
from mmktn.structures import ChartResult, ChartResults
from mmktn.structures.box_grid import result_box_hw


def direct_predict(
    roi_head: DensePoseRoIHead, levels: tuple[Tensor, ...], rois_xyxy: Tensor, boxes_xyxy: Tensor
) -> ChartResults:
    """Predict the charts of N boxes of one image.

    Args:
        roi_head: Head with `MultiInstanceDecoderV2`, `KTNTrunk` and `KTMv2ChartPredictor`.
        levels: FPN levels (1, C, h, w).
        rois_xyxy: (N, 4) boxes in network-input pixels.
        boxes_xyxy: The same boxes in the pixels of the results.

    Returns:
        N results.
    """
    fused = _decode_levels(roi_head.densepose_neck, levels)
    pooled = roi_head.densepose_roi_extractor((fused,), bbox2roi([rois_xyxy]))
    head = roi_head.densepose_head
    maps = _predict_maps(head.predictor, _trunk(head.trunk, pooled), roi_head)
    sizes = result_box_hw(boxes_xyxy).tolist()
    threshold = head.decoder.mask_threshold
    return ChartResults(
        _decode_box({name: m[i : i + 1] for name, m in maps.items()}, size, threshold)
        for i, size in enumerate(sizes)
    )


def _decode_levels(neck: nn.Module, levels: tuple[Tensor, ...]) -> Tensor:
    enhanced = [levels[0]]
    for level, adapt in zip(levels[1:], neck.adaptations, strict=False):
        x = enhanced[-1]
        folded = torch.cat(
            [x[..., row::2, column::2] for row in (0, 1) for column in (0, 1)], dim=1
        )
        enhanced.append(level + _block(adapt, folded))
    total = _block(neck.finest_conv, enhanced[0])
    for level, steps in zip(enhanced[1:], neck.inverse_adaptations, strict=True):
        x = level
        for step in steps:
            x = F.pixel_shuffle(_block(step.expand, _block(step.conv, x)), 2)
        total = total + x
    branches = [_block(branch, total) for branch in neck.dilated_branches]
    return _conv(neck.output, torch.cat(branches, dim=1))


def _trunk(trunk: nn.Module, x: Tensor) -> Tensor:
    block = trunk.scale_convs
    parts = [
        F.relu(norm(F.conv2d(x, block.shared.weight, padding=rate, dilation=rate)))
        for rate, norm in zip(block.dilations, block.norms, strict=True)
    ]
    joined = torch.cat([*parts, _block(block.point_branch, x)], dim=1)
    x = F.relu(_conv(block.project, joined))
    for module in trunk.convs:
        x = _block(module, x)
    return x


def _block(module: nn.Module, x: Tensor) -> Tensor:
    """Convolution, normalisation and ReLU of a `ConvModule`, whatever its convolution class."""
    x = _conv(module.conv, x)
    return F.relu(module.norm(x) if module.with_norm else x)


def _conv(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """PyTorch's own convolution with the parameters of a layer."""
    return F.conv2d(x, conv.weight, conv.bias, padding=conv.padding, dilation=conv.dilation)


def _predict_maps(predictor: nn.Module, x: Tensor, roi_head: DensePoseRoIHead) -> dict[str, Tensor]:
    machine = predictor.deconvs["fine_segm"].machine
    if machine is not None:
        machine.clear_cache()
    box_weights = {
        "cls": roi_head.bbox_head.fc_cls.weight,
        "reg": roi_head.bbox_head.fc_reg.weight,
    }
    maps = {}
    for name in predictor.field_names:
        weight, bias = predictor.kernel(name, box_weights)
        low = F.conv_transpose2d(x, weight, bias, stride=2, padding=1)
        maps[name] = F.interpolate(
            low, scale_factor=predictor.upscale, mode="bilinear", align_corners=False
        )
    return maps


def _decode_box(maps: dict[str, Tensor], size_hw: list[int], threshold: float) -> ChartResult:
    """Resize every channel of every map to the box, then choose."""
    sized = {
        name: F.interpolate(maps[name], tuple(size_hw), mode="bilinear", align_corners=False)[0]
        for name in ("body_mask", "fine_segm", "u", "v")
    }
    body = sized["body_mask"].softmax(dim=0)[1] > threshold
    labels = sized["fine_segm"].argmax(dim=0) * body
    uv = torch.stack([sized[name].gather(0, labels[None])[0] for name in ("u", "v")])
    return ChartResult(labels=labels.to(torch.uint8), uv=uv * (labels > 0))
