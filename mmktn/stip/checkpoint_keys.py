"""Names of official STIP and HRNet-pose weights, translated to mmpose and mmktn.

Three kinds of checkpoint are known: STIPNet (SaT + IaP), GPEmbNet (SaT only) and plain HRNet pose
estimators (which are also the baselines and, without heads, the ImageNet weights). The backbone
keeps its names behind `backbone.`; each head module has one row below. STIPNet inherits a final
layer that it never uses: such names are reported, not dropped silently. Used by the converter and
by the parity tests.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

_BACKBONE = re.compile(r"(conv[12]|bn[12]|layer1|transition[123]|stage[234])\.")

# Official module -> ours, as regular expressions on the start of the name.
_PYRAMID = (
    (r"\.convs\.([0-3])\.0\.", r".branches.\1.conv."),
    (r"\.convs\.([0-3])\.1\.", r".branches.\1.bn."),
    (r"\.convs\.4\.1\.", r".pooled_branch.conv."),
    (r"\.convs\.4\.2\.", r".pooled_branch.bn."),
    (r"\.project\.0\.", r".project.conv."),
    (r"\.project\.1\.", r".project.bn."),
)
_TRANSFER = (
    (r"context_head\.0\.conv_norm_relus\.0\.", "context_head.conv.conv."),
    (r"context_head\.0\.conv_norm_relus\.1\.", "context_head.conv.bn."),
    (r"context_head\.2\.", "context_head.linear."),
    (r"context_head\.3\.", "context_head.norm."),
    (r"context_predictor\.0\.", "keypoint_classifier."),
    (r"spatial_encoder_head\.conv_norm_relus\.0\.", "semantic_encoder.conv."),
    (r"spatial_encoder_head\.conv_norm_relus\.1\.", "semantic_encoder.bn."),
    (r"projector\.0\.", "projector.conv."),
    (r"projector\.1\.", "projector.bn."),
    *((r"ASPP_stage4" + old, "pyramid" + new) for old, new in _PYRAMID),
)
_PARSING = (
    (r"kernel_generator\.0\.", "kernel_generator."),
    *((r"kernel_head" + old, "pyramid" + new) for old, new in _PYRAMID),
)
_HEAD_ROWS = (
    (r"kpt_layer\.", "head.final_layer."),
    (r"parts_predictor\.", "head.auxiliary.spatial_layer."),
    (r"mask_predictor\.", "head.auxiliary.mask_layer."),
    (r"refine_head\.conv_norm_relus\.0\.", "head.refine.conv."),
    (r"refine_head\.conv_norm_relus\.1\.", "head.refine.bn."),
    *((old, "head.semantic_transfer." + new) for old, new in _TRANSFER),
    *((old, "head.instance_parsing." + new) for old, new in _PARSING),
)


@dataclass(frozen=True)
class STIPConversion:
    """A translated checkpoint.

    Attributes:
        kind: ``"stip"``, ``"stip-sat"``, ``"hrnet-pose"`` or ``"hrnet"`` (no head).
        state_dict: Weights under our names.
        renamed: Official name -> ours, for every weight of `state_dict`.
        unused: Official name -> why it has no place in our model.
        width: Width D of the high-resolution branch.
        num_keypoints: K, or None without a head.
    """

    kind: str
    state_dict: dict[str, Tensor]
    renamed: dict[str, str]
    unused: dict[str, str]
    width: int
    num_keypoints: int | None


def _kind_of(names: Mapping[str, Tensor]) -> str:
    if "kernel_generator.0.weight" in names:
        return "stip"
    if "context_predictor.0.weight" in names:
        return "stip-sat"
    return "hrnet-pose" if "final_layer.weight" in names else "hrnet"


def _rename(name: str, kind: str) -> str | None:
    if _BACKBONE.match(name):
        return "backbone." + name
    if name.startswith("final_layer."):
        # The parent's layer: the regressor of SaT-only, the heat-map layer of HRNet.
        target = {"stip-sat": "head.regressor.", "hrnet-pose": "head.final_layer."}.get(kind)
        return target and target + name.removeprefix("final_layer.")
    for pattern, replacement in _HEAD_ROWS:
        renamed, count = re.subn("^" + pattern, replacement, name)
        if count:
            return renamed
    return None


def _why_unused(name: str, kind: str) -> str | None:
    if kind == "stip" and name.startswith("final_layer."):
        return "final layer of the parent class, never used by STIPNet"
    if kind == "hrnet" and name.startswith(
        ("incre_modules.", "downsamp_modules.", "classifier.", "final_layer.", "head.")
    ):
        return "ImageNet classification head"
    if kind == "hrnet-pose" and name.startswith("classifier."):
        return "ImageNet classification head"
    return None


def convert_stip_state_dict(official: Mapping[str, Tensor]) -> STIPConversion:
    """Translate an official STIP or HRNet-pose state dict.

    A ``module.`` prefix (left by DataParallel) is removed.

    Args:
        official: Official name -> weight.

    Returns:
        The weights under our names and the account of every official name.

    Raises:
        KeyError: If a name belongs to none of the known models, or the stem is missing.
    """
    names = {name.removeprefix("module."): weight for name, weight in official.items()}
    if "conv1.weight" not in names or "stage2.0.branches.0.0.conv1.weight" not in names:
        raise KeyError(
            "checkpoint has no conv1.weight or no stage2.0.branches.0.0.conv1.weight: not an "
            "official HRNet or STIP checkpoint (is the state dict nested, or is it already in "
            "mmpose's names with a 'backbone.' prefix?)"
        )
    kind = _kind_of(names)
    renamed: dict[str, str] = {}
    unused: dict[str, str] = {}
    for name in names:
        target = _rename(name, kind)
        reason = _why_unused(name, kind) if target is None else None
        if target is not None:
            renamed[name] = target
        elif reason is not None:
            unused[name] = reason
        else:
            raise KeyError(
                f"checkpoint name {name!r} belongs to no known STIP or HRNet-pose module "
                f"(taken for a {kind!r} checkpoint)"
            )
    final = names.get("kpt_layer.weight", names.get("final_layer.weight"))
    return STIPConversion(
        kind=kind,
        state_dict={target: names[name] for name, target in renamed.items()},
        renamed=renamed,
        unused=unused,
        width=int(names["stage2.0.branches.0.0.conv1.weight"].shape[0]),
        num_keypoints=None if final is None or kind == "hrnet" else int(final.shape[0]),
    )


def check_fit(conversion: STIPConversion, expected: Mapping[str, Tensor]) -> list[str]:
    """Compare converted weights with a model.

    Args:
        conversion: What `convert_stip_state_dict` gave.
        expected: State dict of the model.

    Returns:
        Names the model has and the checkpoint lacks (only for ``"hrnet"``, which has no head).

    Raises:
        ValueError: On the first weight that does not fit, with a hint which config would.
    """
    hint = f"the checkpoint is {conversion.kind}, HRNet-W{conversion.width}" + (
        f", {conversion.num_keypoints} keypoints" if conversion.num_keypoints else ""
    )
    for name, weight in conversion.state_dict.items():
        if name not in expected:
            raise ValueError(
                f"checkpoint weight {name} {tuple(weight.shape)} has no place in the model; "
                f"{hint}: choose the config of that model"
            )
        if weight.shape != expected[name].shape:
            raise ValueError(
                f"checkpoint weight {name} is {tuple(weight.shape)} but the model wants "
                f"{tuple(expected[name].shape)}; {hint}: choose the config of that width and "
                "dataset (crowdpose: 14 keypoints, coco: 17)"
            )
    missing = [name for name in expected if name not in conversion.state_dict]
    required = "backbone." if conversion.kind == "hrnet" else ""
    needed = [
        name
        for name in missing
        if name.startswith(required) and not name.endswith("num_batches_tracked")
    ]
    if needed:
        raise ValueError(
            f"the model wants {needed[0]} {tuple(expected[needed[0]].shape)}, which the checkpoint "
            f"lacks ({len(needed)} such names); {hint}: choose the config of that model"
        )
    return missing
