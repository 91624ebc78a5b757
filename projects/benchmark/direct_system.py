"""Whole detectors the direct way: the yardstick of `bench_systems.py`.

The DensePose branch of a model is replaced by what the released code does, one call after the other
(direct_branch.py): convolutions as PyTorch has them, every map made, all boxes at once, KTM in each
forward pass, every channel resized to its box. Backbone, pyramid, proposals and boxes are mmdet's.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from direct_branch import _block, _conv, _decode_box, _decode_levels, _predict_maps, _trunk
from torch import Tensor, nn

from mmktn.models.layers import winograd
from mmktn.structures import ChartOutput, ChartResults
from mmktn.structures.box_grid import result_box_hw


def make_direct(model: nn.Module) -> None:
    """Replace the branch of a detector with `PanopticDecoder` or `MultiInstanceDecoderV2`."""
    winograd.ENABLED = False
    roi_head: Any = model.roi_head
    head, neck = roi_head.densepose_head, roi_head.densepose_neck
    is_mid = hasattr(neck, "adaptations")
    head.chunk_size = 10**6
    decode = _decode_levels if is_mid else _decode_pyramid
    roi_head._branch_features = lambda x: (x, (decode(neck, x),))

    def forward(x: Tensor, box_weights: Any = None, *, fields: Any = None) -> ChartOutput:
        if is_mid:
            return ChartOutput(_predict_maps(head.predictor, _trunk(head.trunk, x), roi_head))
        for block in head.trunk.convs:
            x = _block(block, x)
        return ChartOutput(_plain_maps(head.predictor, x))

    head.forward = forward

    def results(maps: ChartOutput, boxes: Tensor, **_: Any) -> ChartResults:
        sizes = result_box_hw(boxes).tolist()
        body = "body_mask" if is_mid else "coarse_segm"
        parts = {n: maps[n] for n in ("fine_segm", "u", "v")} | {"body_mask": maps[body]}
        one = ({n: m[i : i + 1] for n, m in parts.items()} for i in range(len(boxes)))
        threshold = head.decoder.mask_threshold
        return ChartResults(
            _decode_box(maps, size, threshold) for maps, size in zip(one, sizes, strict=True)
        )

    head.predict_by_feat = results


def _decode_pyramid(neck: nn.Module, levels: tuple[Tensor, ...]) -> Tensor:
    """detectron2's Decoder: every level is brought to stride 4 by itself, then all are added."""
    total: Any = 0
    for index, blocks in enumerate(neck.scale_heads):
        x = levels[index]
        for block in blocks:
            x = _block(block, x)
            if index:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        total = total + x
    return _conv(neck.output, total)


def _plain_maps(predictor: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """One transposed convolution and one enlargement a map."""
    maps = {}
    for name in predictor.field_names:
        layer = predictor.deconvs[name]
        low = F.conv_transpose2d(x, layer.weight, layer.bias, stride=2, padding=1)
        maps[name] = F.interpolate(
            low, scale_factor=predictor.upscale, mode="bilinear", align_corners=False
        )
    return maps
