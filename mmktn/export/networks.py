"""A system cut into networks that any engine runs, and what has to happen between them.

Region-based systems become a body (backbone, pyramid, neck, raw outputs of the proposal network), a
box head and a branch; systems of one person per crop stay whole, with the flip test of keypoints.
Maps of the body and pooled features have the channels last, where numpy pools fastest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from mmktn.apis.test_pipeline import find_test_pipeline, type_name
from mmktn.utils.user_error import UserError


@dataclass
class Network:
    """One part.

    Attributes:
        module: Tensors in, a tuple of tensors out.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        dynamic: Axes of every input beside the first that may have any size.
    """

    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dynamic: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Put the module to test; exporters leave modules in the mode that they found."""
        self.module.eval()


@dataclass
class CutSystem:
    """A system as networks.

    Attributes:
        kind: As in the manifest.
        networks: Part -> network.
        settings: As in the manifest.
        fold: Puts generated kernels in the place of what generates them.
    """

    kind: str
    networks: dict[str, Network]
    settings: dict[str, Any]
    fold: Callable[[], None] = field(default=lambda: None)


class Body(nn.Module):
    """Picture (B, 3, H, W) -> levels, maps of the neck, logits and deltas, all (B, h, w, C).

    Args:
        model: The detector.
        levels: How many levels are pooled from.
    """

    def __init__(self, model: nn.Module, levels: int) -> None:
        super().__init__()
        self.model, self.levels = model, levels

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run everything that looks at the whole picture."""
        model: Any = self.model
        found = model.extract_feat(image)
        logits, deltas = model.rpn_head(found)
        neck = model.roi_head.densepose_neck
        maps = () if neck is None else neck(found)
        outputs = (*found[: self.levels], *maps, *logits, *deltas)
        return tuple(item.permute(0, 2, 3, 1) for item in outputs)


class BoxHead(nn.Module):
    """Pooled features (N, h, w, C) -> logits and deltas of the boxes."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Run the head."""
        logits, deltas = self.head(features.permute(0, 3, 1, 2))
        return logits, deltas


class Branch(nn.Module):
    """Pooled features (N, h, w, C) -> maps (N, K, a, a) of some names."""

    def __init__(self, head: nn.Module, names: Sequence[str], weights: Any = None) -> None:
        super().__init__()
        self.head, self.names, self.weights = head, tuple(names), weights

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Run trunk and predictor."""
        found = self.head(features.permute(0, 3, 1, 2), self.weights, fields=self.names)
        return tuple(found[name] for name in self.names)


class CropCharts(nn.Module):
    """Crops (B, 3, h, w) -> maps (B, K, a, b) of some names."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, tuple(names)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run the network."""
        model: Any = self.model
        maps = model.head.densepose_head(model.extract_feat(image)[-1], fields=self.names)
        return tuple(maps[name] for name in self.names)


class CropPose(nn.Module):
    """Crops (B, 3, h, w) -> heat-maps (B, K, a, b) and, with semantic transfer, presence (B, K).

    Args:
        model: The estimator.
        flip: Place of each keypoint in a mirror; None: no flip test.
        shift: Whether the mirrored maps are moved by a cell.
    """

    def __init__(self, model: nn.Module, flip: Sequence[int] | None, *, shift: bool) -> None:
        super().__init__()
        self.model, self.flip, self.shift = model, flip, shift
        self.transfer = getattr(model.head, "semantic_transfer", None)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run the network."""
        found = self._look(image)
        if self.flip is None:
            return found
        mirrored = [item[:, self.flip] for item in self._look(image.flip(-1))]
        mirrored[0] = mirrored[0].flip(-1)
        if self.shift:
            mirrored[0] = torch.cat([mirrored[0][..., :1], mirrored[0][..., :-1]], dim=-1)
        return tuple((one + other) * 0.5 for one, other in zip(found, mirrored, strict=True))

    def _look(self, image: Tensor) -> tuple[Tensor, ...]:
        model: Any = self.model
        features = model.extract_feat(image)
        maps = model.head(features)
        return (maps,) if self.transfer is None else (maps, self.transfer.presence(features[-1]))


def cut(model: Any, flip_indices: Sequence[int] | None = None) -> CutSystem:
    """Cut a model into networks.

    Args:
        model: What `load_model` gave.
        flip_indices: Place of each keypoint in a mirror, for systems of keypoints.

    Raises:
        UserError: A system, or an option of one, that cannot be exported; the text says which.
    """
    kind = type_name(model.cfg.model)
    if kind == "FasterRCNN":
        return _cut_rcnn(model)
    if kind == "TopdownDensePoseEstimator":
        return _cut_topdown(model)
    if kind == "TopdownPoseEstimator":
        return _cut_pose(model, flip_indices)
    raise UserError(
        f"{kind} cannot be exported; region-based systems (FasterRCNN), top-down dense pose and "
        "top-down pose can"
    )


def _cut_rcnn(model: Any) -> CutSystem:
    roi_head = model.roi_head
    _require(roi_head, "DensePoseRoIHead")
    _require(model.rpn_head, "RPNHead")
    if roi_head.with_mask:
        raise UserError("the mask branch cannot be exported; use the system without mask_head")
    charts = _charts_of(roi_head.densepose_head)
    charts |= {
        "extractor": _extractor(roi_head.densepose_roi_extractor),
        "chunk": int(roi_head.densepose_head.chunk_size),
    }
    box_extractor = _extractor(roi_head.bbox_roi_extractor)
    levels = len(box_extractor["strides"])
    if roi_head.densepose_neck is None:
        levels = max(levels, len(charts["extractor"]["strides"]))
    weights = roi_head._box_weights()
    networks = {
        "boxes": Network(BoxHead(roi_head.bbox_head), ("features",), ("logits", "deltas")),
        "charts": Network(
            Branch(roi_head.densepose_head, charts["maps"], weights),
            ("features",),
            tuple(charts["maps"]),
        ),
    }
    settings: dict[str, Any] = {
        "picture": {
            "scale": _resize_scale(model),
            "divisor": int(model.data_preprocessor.pad_size_divisor),
            **_colours(model),
        },
        "rpn": _rpn(model),
        "boxes": {"extractor": box_extractor, **_detections(model)},
        "charts": charts,
    }
    if roi_head.keypoint_head is not None:
        head, extractor = roi_head.keypoint_head, roi_head.keypoint_roi_extractor
        own = None if extractor is None else _extractor(extractor)
        if own is not None:
            levels = max(levels, len(own["strides"]))
        (decoder,) = head.task_decoders
        _require(decoder, "KeypointDecoder")
        settings["keypoints"] = {"count": decoder.num_keypoints, "extractor": own}
        name = ("keypoint_heatmaps",)
        networks["keypoints"] = Network(Branch(head, name), ("features",), name)
    rows = len(model.rpn_head.prior_generator.strides)
    pooled = 0 if roi_head.densepose_neck is None else 1
    outputs = [
        f"{name}_{index}"
        for name, count in (
            ("level", levels),
            ("map", pooled),
            ("rpn_logits", rows),
            ("rpn_deltas", rows),
        )
        for index in range(count)
    ]
    body = Network(Body(model, levels), ("image",), tuple(outputs), dynamic=(2, 3))
    return CutSystem(
        "rcnn",
        {"body": body, **networks},
        settings,
        fold=lambda: roi_head.densepose_head.fold(weights),
    )


def _cut_topdown(model: Any) -> CutSystem:
    if (model.test_cfg or {}).get("flip_test"):
        # U and V of the mirrored crop go through the surface's tables, which are no network.
        raise UserError(
            "the flip test of dense pose cannot be exported; add --cfg-options "
            "model.test_cfg.flip_test=False"
        )
    charts = _charts_of(model.head.densepose_head)
    network = Network(CropCharts(model, charts["maps"]), ("image",), tuple(charts["maps"]))
    settings = {"crop": _crop(model, "TopdownDensePoseAffine", indices=False), "charts": charts}
    return CutSystem("topdown", {"network": network}, settings, fold=model.head.fold)


def _cut_pose(model: Any, flip_indices: Sequence[int] | None) -> CutSystem:
    decoder, test_cfg = model.head.decoder, model.test_cfg or {}
    name = type(decoder).__name__
    if name not in ("RefinedHeatmap", "MSRAHeatmap") or getattr(decoder, "unbiased", False):
        raise UserError(f"the codec {name} cannot be exported; RefinedHeatmap and MSRAHeatmap can")
    flip = None
    if test_cfg.get("flip_test"):
        if test_cfg.get("flip_mode", "heatmap") != "heatmap" or flip_indices is None:
            raise UserError(f"flip_mode={test_cfg.get('flip_mode')!r} cannot be exported")
        flip = list(map(int, flip_indices))
    module = CropPose(model, flip, shift=bool(test_cfg.get("shift_heatmap")))
    outputs = ("heatmaps",) if module.transfer is None else ("heatmaps", "presence")
    settings = {
        "crop": _crop(model, "TopdownAffine", indices=True),
        "heatmaps": {
            "count": int(model.head.out_channels),
            "refined": name == "RefinedHeatmap",
            "blur": int(decoder.blur_kernel_size),
            "scale": [float(value) for value in decoder.scale_factor],
        },
    }
    return CutSystem("pose", {"network": Network(module, ("image",), outputs)}, settings)


def _require(part: Any, name: str) -> None:
    """Check that a part is of one class and no subclass, which may do anything."""
    if type(part).__name__ != name:
        raise UserError(f"{type(part).__name__} cannot be exported; {name} can")


def _charts_of(head: Any) -> dict[str, Any]:
    """Return what decoding does with the maps of a head."""
    if head.decoder is None:
        raise UserError("this system makes no charts; systems of other tasks cannot be exported")
    if head.task_decoders:
        raise UserError(f"{type(head.task_decoders[0]).__name__} cannot be exported beside charts")
    _require(head.decoder, "ChartDecoder")
    maps = list(head.decoder.fields)
    more = sorted(set(head.decoded_fields) - set(maps))
    if more:
        raise UserError(
            f"the maps {', '.join(more)} need torch to be decoded; export a system without"
        )
    return {
        "maps": maps,
        "mask_source": head.decoder.mask_source,
        "mask_threshold": float(head.decoder.mask_threshold),
        "confidence": bool(head.decoder.chart_confidence),
    }


def _extractor(extractor: Any) -> dict[str, Any]:
    """Tell how boxes are pooled."""
    _require(extractor, "SingleRoIExtractor")
    layer = extractor.roi_layers[0]
    if type(layer).__name__ != "RoIAlign" or getattr(layer, "pool_mode", "avg") != "avg":
        raise UserError(f"{type(layer).__name__} cannot be exported; RoIAlign with averages can")
    return {
        "size": list(map(int, layer.output_size)),
        "strides": list(map(int, extractor.featmap_strides)),
        "finest_scale": int(extractor.finest_scale),
        "sampling_ratio": int(layer.sampling_ratio),
        "aligned": bool(layer.aligned),
    }


def _rpn(model: Any) -> dict[str, Any]:
    """Tell how anchors become proposals."""
    head, cfg = model.rpn_head, model.test_cfg.rpn
    generator = head.prior_generator
    _require(generator, "AnchorGenerator")
    if not head.use_sigmoid_cls:
        raise UserError("a proposal network with a softmax cannot be exported")
    return {
        "anchors": [base.tolist() for base in generator.base_anchors],
        "strides": [list(map(int, stride)) for stride in generator.strides],
        **_coder(head.bbox_coder),
        "nms_pre": int(cfg.get("nms_pre", -1)),
        "max_per_img": int(cfg.max_per_img),
        "min_size": float(cfg.get("min_bbox_size", -1)),
        "iou": _nms(cfg.nms),
    }


def _detections(model: Any) -> dict[str, Any]:
    """Tell how the box head's outputs become boxes."""
    head, cfg = model.roi_head.bbox_head, model.test_cfg.rcnn
    if head.custom_cls_channels:
        raise UserError("a box head with an activation of its own cannot be exported")
    return {
        **_coder(head.bbox_coder),
        "score_thr": float(cfg.score_thr),
        "max_per_img": int(cfg.max_per_img),
        "iou": _nms(cfg.nms),
        "max_body_overlap": cfg.get("max_body_overlap"),
    }


def _coder(coder: Any) -> dict[str, Any]:
    _require(coder, "DeltaXYWHBBoxCoder")
    if coder.add_ctr_clamp or not coder.clip_border:
        raise UserError("add_ctr_clamp and clip_border=False cannot be exported")
    return {"means": list(map(float, coder.means)), "stds": list(map(float, coder.stds))}


def _nms(cfg: Any) -> float:
    """Return the threshold of plain suppression."""
    unknown = set(cfg) - {"type", "iou_threshold"}
    if cfg.get("type", "nms") != "nms" or unknown:
        raise UserError(
            f"nms={dict(cfg)} cannot be exported; dict(type='nms', iou_threshold=..) can"
        )
    return float(cfg.iou_threshold)


def _colours(model: Any) -> dict[str, Any]:
    """Tell how values of pixels are normalised."""
    part = model.data_preprocessor
    if not part._enable_normalize:
        return {"mean": [0.0] * 3, "std": [1.0] * 3, "rgb": bool(part._channel_conversion)}
    return {
        "mean": part.mean.flatten().tolist(),
        "std": part.std.flatten().tolist(),
        "rgb": bool(part._channel_conversion),
    }


def _steps(model: Any, allowed: set[str]) -> dict[str, Any]:
    """Return the steps of the test pipeline by name.

    Raises:
        UserError: There is another one than those allowed.
    """
    steps = {type_name(step): step for step in find_test_pipeline(model.cfg)}
    for name in steps:
        if name not in allowed and not name.startswith(("Load", "Pack")):
            raise UserError(f"the test pipeline's {name} cannot be exported")
    return steps


def _resize_scale(model: Any) -> list[int]:
    step = _steps(model, {"Resize"}).get("Resize")
    if step is None or not step.get("keep_ratio") or step.get("scale") is None:
        raise UserError(
            "the test pipeline needs Resize with scale and keep_ratio=True to be exported"
        )
    return list(map(int, step.scale))


def _crop(model: Any, affine: str, *, indices: bool) -> dict[str, Any]:
    """Tell how a person is cut out."""
    steps = _steps(model, {"GetBBoxCenterScale", affine})
    if affine not in steps or "GetBBoxCenterScale" not in steps or steps[affine].get("use_udp"):
        raise UserError(f"the test pipeline needs GetBBoxCenterScale and {affine} without use_udp")
    return {
        "size": list(map(int, steps[affine].input_size)),
        "padding": float(steps["GetBBoxCenterScale"].get("padding", 1.25)),
        "indices": indices,
        **_colours(model),
    }
