"""What a translated checkpoint says about its model: parts by name, widths by shape.

With it the converter finds the config that fits, says what a checkpoint is when a config does not
fit, and adapts a shipped config to other widths (the narrow reference detectors are read so).
"""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmktn.checkpoints.keys import CONFIDENCES, DECONVS, EMBEDDER, MACHINE, NECK, TRUNK

Weights = Mapping[str, Tensor]

# Blocks of the four stages, and whether they are bottlenecks -> depth.
DEPTHS: dict[tuple[tuple[int, ...], bool], int] = {
    ((2, 2, 2, 2), False): 18,
    ((3, 4, 6, 3), False): 34,
    ((3, 4, 6, 3), True): 50,
    ((3, 4, 23, 3), True): 101,
    ((3, 8, 36, 3), True): 152,
}


# Of every detector: part -> our names of which one is there, and its number of dimensions.
NEEDED: dict[str, tuple[tuple[str, ...], int]] = {
    "stem and stages of a ResNet or HRNet (backbone.bottom_up)": (
        ("backbone.layer4.0.conv1.weight", "backbone.stage2.0.branches.0.0.conv1.weight"),
        4,
    ),
    "first stage of the backbone": (("backbone.layer1.0.conv1.weight",), 4),
    "stem of the backbone": (("backbone.conv1.weight",), 4),
    "feature pyramid": (("neck.lateral_convs.0.conv.weight", "neck.enlargements.0.0.weight"), 4),
    "RPN (proposal_generator.rpn_head)": (("rpn_head.rpn_conv.weight",), 4),
    "box head (roi_heads.box_head)": (("roi_head.bbox_head.shared_fcs.0.weight",), 2),
    "DensePose trunk (densepose_head.body_conv_fcn1)": ((f"{TRUNK}.convs.0.conv.weight",), 4),
    "layer of U or of the embedding (densepose_predictor.u_lowres, embed_lowres)": (
        (f"{DECONVS}.u.weight", f"{DECONVS}.embedding.weight"),
        4,
    ),
}


def check_parts(weights: Weights) -> None:
    """Check that a checkpoint has every part from which its structure is read.

    Args:
        weights: Our names -> weights.

    Raises:
        ValueError: A part is missing, or a weight has another number of dimensions.
    """
    for part, (names, ndim) in NEEDED.items():
        found = next((name for name in names if name in weights), None)
        if found is None:
            raise ValueError(
                f"the checkpoint has no {part}: {' or '.join(names)} would be filled by it. Is it "
                "the checkpoint of a whole detector?"
            )
        if weights[found].ndim != ndim:
            raise ValueError(
                f"the weight of the {part}, {found}, has shape {tuple(weights[found].shape)}, "
                f"expected {ndim} dimensions"
            )
    for name, weight in weights.items():
        if name.endswith(".weight") and weight.ndim == 0:
            raise ValueError(f"{name} would be filled by a single number, expected an array")


def part_types(
    weights: Weights,
) -> dict[str, tuple[str | int | list[str] | dict[str, Any] | None, ...]]:
    """Return the parts of the model.

    Args:
        weights: Our names -> weights.

    Returns:
        Config key below `model` -> values (types without scope) that may stand there.
    """
    return {
        "backbone.type": _backbone_types(weights),
        "backbone.depth": (_depth(weights),),
        "neck.type": ("KTNHRFPN" if _has(weights, "neck.enlargements.") else "FPN",),
        "roi_head.densepose_neck.type": _neck_types(weights),
        "roi_head.densepose_head.trunk.type": (_trunk_type(weights),),
        "roi_head.densepose_head.predictor.type": (_predictor_type(weights),),
        "roi_head.densepose_head.predictor.extra_maps": (_extra_maps(weights),),
        "roi_head.densepose_head.embedder.meshes": (_meshes(weights),),
    }


def width_options(weights: Weights, neck_type: str | None) -> dict[str, Any]:
    """Return the widths of the model.

    Args:
        weights: Our names -> weights.
        neck_type: Type of the config's `densepose_neck` without scope; None where it has none.

    Returns:
        Config key below `model` -> value; for `Config.merge_from_dict`.
    """

    def shape(name: str) -> tuple[int, ...]:
        return tuple(weights[name].shape)

    options: dict[str, Any] = {}
    if _is_resnet(weights) and not _is_grouped(weights):
        options["backbone.stem_channels"] = shape("backbone.conv1.weight")[0]
        options["backbone.base_channels"] = shape("backbone.layer1.0.conv1.weight")[0]
    elif _is_hrnet(weights):
        options |= _hrnet_widths(weights)
    if "neck.lateral_convs.0.conv.weight" in weights:
        laterals = _count(weights, "neck.lateral_convs.")
        lateral = [shape(f"neck.lateral_convs.{i}.conv.weight") for i in range(laterals)]
        options["neck.in_channels"] = [size[1] for size in lateral]
        options["neck.out_channels"] = lateral[0][0]
    elif "neck.enlargements.0.0.weight" in weights:
        grown = range(_count(weights, "neck.enlargements."))
        options["neck.in_channels"] = [shape(f"neck.enlargements.{i}.0.weight")[0] for i in grown]
        options["neck.out_channels"] = shape("neck.level_convs.0.weight")[0]
    options["rpn_head.feat_channels"], options["rpn_head.in_channels"] = shape(
        "rpn_head.rpn_conv.weight"
    )[:2]
    channels = options["rpn_head.in_channels"]
    fc_channels, fc_inputs = shape("roi_head.bbox_head.shared_fcs.0.weight")
    trunk_inputs = _trunk_inputs(weights)
    return options | {
        "roi_head.bbox_roi_extractor.out_channels": channels,
        "roi_head.bbox_roi_extractor.roi_layer.output_size": math.isqrt(fc_inputs // channels),
        "roi_head.bbox_head.in_channels": channels,
        "roi_head.bbox_head.roi_feat_size": math.isqrt(fc_inputs // channels),
        "roi_head.bbox_head.fc_out_channels": fc_channels,
        "roi_head.densepose_roi_extractor.out_channels": trunk_inputs,
        "roi_head.densepose_head.trunk.in_channels": trunk_inputs,
        "roi_head.densepose_head.trunk.channels": shape(f"{TRUNK}.convs.0.conv.weight")[0],
        "roi_head.densepose_head.trunk.num_convs": _count(weights, f"{TRUNK}.convs."),
        "roi_head.densepose_head.predictor.in_channels": shape(
            f"{DECONVS}.{'u' if 'u' in _maps(weights) else 'embedding'}.weight"
        )[0],
        **({"roi_head.densepose_head.predictor.box_dim": fc_channels} if _is_v2(weights) else {}),
        **_neck_widths(weights, neck_type),
    }


def describe(weights: Weights) -> str:
    """Name the model in one line, for messages."""
    parts = part_types(weights)
    named = [
        values[0]
        for key, values in parts.items()
        if not key.startswith("backbone") and isinstance(values[0], str)
    ]
    backbone = f"{parts['backbone.type'][0]}-{parts['backbone.depth'][0] or '?'}"
    if _is_resnet(weights):
        backbone += f" of base width {weights['backbone.layer1.0.conv1.weight'].shape[0]}"
    maps = {name: weights[f"{DECONVS}.{name}.weight"].shape[1] for name in _maps(weights)}
    outputs = ", ".join(f"{name} {channels}" for name, channels in maps.items())
    return f"{backbone}, {', '.join(named)} ({outputs})"


def _is_resnet(weights: Weights) -> bool:
    return "backbone.layer4.0.conv1.weight" in weights


def _is_hrnet(weights: Weights) -> bool:
    return "backbone.stage2.0.branches.0.0.conv1.weight" in weights


def _hrnet_widths(weights: Weights) -> dict[str, Any]:
    """Count modules, blocks and channels of every stage; the stem is the same everywhere."""
    table: dict[str, Any] = {
        "stage1.num_blocks": (_count(weights, "backbone.layer1."),),
        "stage1.num_channels": (weights["backbone.layer1.0.conv1.weight"].shape[0],),
    }
    for stage in ("stage2", "stage3", "stage4"):
        branches = f"backbone.{stage}.0.branches."
        indices = range(_count(weights, branches))
        table[f"{stage}.num_modules"] = _count(weights, f"backbone.{stage}.")
        table[f"{stage}.num_blocks"] = tuple(_count(weights, f"{branches}{i}.") for i in indices)
        table[f"{stage}.num_channels"] = tuple(
            weights[f"{branches}{i}.0.conv1.weight"].shape[0] for i in indices
        )
    return {f"backbone.extra.{key}": value for key, value in table.items()}


def _is_grouped(weights: Weights) -> bool:
    kernel = weights["backbone.layer1.0.conv2.weight"]
    return kernel.shape[0] != kernel.shape[1]


def _backbone_types(weights: Weights) -> tuple[str, ...]:
    if not _is_resnet(weights):
        return ("HRNet", "CroppingHRNet", "StagedHRNet")
    return ("ResNeXt",) if _is_grouped(weights) else ("ResNet",)


def _depth(weights: Weights) -> int | None:
    """Return the depth of a ResNet, None for anything else."""
    if not _is_resnet(weights):
        return None
    blocks = tuple(_count(weights, f"backbone.layer{stage}.") for stage in (1, 2, 3, 4))
    return DEPTHS.get((blocks, "backbone.layer1.0.conv3.weight" in weights))


def _neck_types(weights: Weights) -> tuple[str | None, ...]:
    if _has(weights, f"{NECK}.adaptations."):
        return ("MultiInstanceDecoderV2",)
    if _has(weights, f"{NECK}."):
        # The released code of version 1 is the decoder of detectron2 under another name.
        return ("PanopticFPNDecoder", "MultiInstanceDecoderV1")
    return (None,)


def _trunk_type(weights: Weights) -> str:
    if _has(weights, f"{TRUNK}.scale_convs."):
        return "KTNTrunk"
    return "DeepLabTrunk" if _has(weights, f"{TRUNK}.aspp.") else "ConvTrunk"


def _predictor_type(weights: Weights) -> str:
    if not _has(weights, f"{MACHINE}."):
        return "ChartPredictor"
    return "KTMv2ChartPredictor" if _is_v2(weights) else "KTMv1ChartPredictor"


def _extra_maps(weights: Weights) -> list[str] | None:
    """Return the embedding, and confidences beside the standard maps."""
    made = _maps(weights)
    return [name for name in ("embedding", *CONFIDENCES) if name in made] or None


def _meshes(weights: Weights) -> dict[str, Any] | None:
    """Return the meshes of an embedder with the settings that configs give them."""
    found: dict[str, Any] = {}
    for name in weights:
        if name.startswith(f"{EMBEDDER}.embedders."):
            mesh = name.removeprefix(f"{EMBEDDER}.embedders.").split(".")[0]
            features = f"{EMBEDDER}.embedders.{mesh}.features" in weights
            found[mesh] = {} if features else {"kind": "direct"}
    return found or None


def _is_v2(weights: Weights) -> bool:
    return any(f"{MACHINE}.graph.relations.{source}" in weights for source in ("box", "part"))


def _trunk_inputs(weights: Weights) -> int:
    for block in ("scale_convs.point_branch.conv", "aspp.point_branch.conv", "convs.0.conv"):
        if f"{TRUNK}.{block}.weight" in weights:
            return weights[f"{TRUNK}.{block}.weight"].shape[1]
    raise ValueError(f"no first convolution of the DensePose trunk ({TRUNK}) in the checkpoint")


def _neck_widths(weights: Weights, neck_type: str | None) -> dict[str, Any]:
    if neck_type is None:
        return {}
    key = "roi_head.densepose_neck"
    if neck_type != "PanopticFPNDecoder":
        return {f"{key}.channels": weights[f"{NECK}.output.weight"].shape[0]}
    first = weights[f"{NECK}.scale_heads.0.0.conv.weight"]
    return {
        f"{key}.in_channels": first.shape[1],
        f"{key}.channels": first.shape[0],
        f"{key}.out_channels": weights[f"{NECK}.output.weight"].shape[0],
    }


def _maps(weights: Weights) -> list[str]:
    """Return the maps with a classifier of their own, in the order of the checkpoint."""
    tail = ".weight"
    return [
        name.removeprefix(f"{DECONVS}.").removesuffix(tail)
        for name in weights
        if name.startswith(f"{DECONVS}.") and name.endswith(tail) and ".machine." not in name
    ]


def _has(weights: Weights, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in weights)


def _count(weights: Weights, prefix: str) -> int:
    """Number of different words that follow a prefix."""
    return len({n.removeprefix(prefix).split(".")[0] for n in weights if n.startswith(prefix)})
