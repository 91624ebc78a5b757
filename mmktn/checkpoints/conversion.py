"""Official DensePose detector -> ours: every name is translated, or dropped for a stated reason.

The translation itself is the table of `mmktn.checkpoints.keys`; here stands what may be left
out, what cannot be converted at all, and whether the result fits a model. Anchors, box coding and
the order of classes need no permutation (docs/checkpoints.md).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mmktn.checkpoints.keys import NECK, convert_densepose_keys

Shapes = Mapping[str, tuple[int, ...]]

KTN_MARK = re.compile(r"(mid_decoder\.|_transformer\.\d)")
PREFIX = r"(model\.)?(roi_heads\.)?"

# Names with no place in our models whose absence changes no detection and no chart.
DROPPED = (
    (r"pixel_(mean|std)", "input normalisation, which is the config's data_preprocessor"),
    (
        r"proposal_generator\.anchor_generator\.cell_anchors\.\d+",
        "anchors, which are the config's anchor_generator",
    ),
)
DROPPED_OF_KTN = (
    (r"keypoint_head\..+", "detectron2's own keypoint head, which KTN builds and never runs"),
    (r"densepose_head\.ScaleConv\..+", "ScaleConvs registered under a second name"),
    (
        r"densepose_predictor\.index_uv_lowres\.\w+",
        "plain surface classifier, whose place the generated one takes",
    ),
)
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class DetectorConversion:
    """A translated checkpoint.

    Attributes:
        state_dict: Our names -> weights.
        renamed: Official name -> ours, for every entry of `state_dict`.
        dropped: Official name -> why it has no place.
        constants: Dropped entries by official name, to compare with a config.
    """

    state_dict: dict[str, Tensor]
    renamed: dict[str, str]
    dropped: dict[str, str]
    constants: dict[str, Tensor]

    @property
    def official_of(self) -> dict[str, str]:
        """Our name -> official name."""
        return {ours: official for official, ours in self.renamed.items()}


def convert_detector(
    official: Mapping[str, Tensor], *, drop: Sequence[str] = ()
) -> DetectorConversion:
    """Translate the state dict of a detectron2 DensePose or KTN detector.

    Args:
        official: Official name -> weight, complete.
        drop: Regular expressions of whole official names to leave out on request.

    Returns:
        The weights under our names and the account of every official name.

    Raises:
        ValueError: No such detector, a model that mmktn does not have, or a name that is neither
            known nor droppable; the message names the first.
    """
    names = convert_densepose_keys({name: name for name in official})
    renamed = {official_name: ours for ours, official_name in names.state_dict.items()}
    rules = [(pattern, "left out on request") for pattern in drop]
    rules += DROPPED
    if any(KTN_MARK.search(name) for name in official):
        rules += DROPPED_OF_KTN
    dropped: dict[str, str] = {}
    unknown = []
    for name in official:
        reason = _reason(name, rules)
        if reason is not None and (name not in renamed or reason == "left out on request"):
            dropped[name] = reason
        elif name not in renamed:
            unknown.append(name)
    _refuse(official, renamed, unknown)
    _check_duplicates(official, dropped)
    kept = {name: ours for name, ours in renamed.items() if name not in dropped}
    return DetectorConversion(
        state_dict={ours: official[name] for name, ours in kept.items()},
        renamed=kept,
        dropped=dropped,
        constants={name: official[name] for name in dropped},
    )


def fit(conversion: DetectorConversion, expected: Shapes, *, hint: str = "") -> DetectorConversion:
    """Check that a translated checkpoint fills a model, all of it.

    Args:
        conversion: The checkpoint.
        expected: Name -> shape of everything in the model's state dict.
        hint: What the checkpoint is and which config fits, for messages.

    Returns:
        The conversion, with names as this model has them: version 1 of the multi-instance decoder
        holds the Panoptic-FPN decoder one level deeper.

    Raises:
        ValueError: On the first weight that has no place, another shape, or is missing.
    """
    nested = f"{NECK}.decoder."
    if any(name.startswith(nested) for name in expected):
        conversion = _renamed_prefix(conversion, f"{NECK}.", nested)
    official_of = conversion.official_of
    tail = f"; {hint}" if hint else ""
    for name, weight in conversion.state_dict.items():
        if name not in expected:
            raise ValueError(
                f"{official_of[name]} {tuple(weight.shape)} would be {name}, which the config's "
                f"model does not have{tail}"
            )
        if tuple(weight.shape) != tuple(expected[name]):
            raise ValueError(
                f"{official_of[name]} has shape {tuple(weight.shape)}, the config's model wants "
                f"{tuple(expected[name])} for {name}{tail}"
            )
    missing = [n for n in expected if n not in conversion.state_dict and not n.endswith(COUNTER)]
    if missing:
        raise ValueError(
            f"the config's model wants {missing[0]} {tuple(expected[missing[0]])}, which the "
            f"checkpoint lacks ({len(missing)} such names){tail}"
        )
    return conversion


def unfilled_counters(conversion: DetectorConversion, expected: Shapes) -> list[str]:
    """Names the checkpoint need not have: batch counters, which frozen norms do not count in."""
    return [name for name in expected if name not in conversion.state_dict]


def _reason(name: str, rules: Sequence[tuple[str, str]]) -> str | None:
    for pattern, reason in rules:
        if re.fullmatch(f"{PREFIX}({pattern})", name):
            return reason
    return None


def _refuse(
    official: Mapping[str, Tensor], renamed: Mapping[str, str], unknown: Sequence[str]
) -> None:
    """Raise where the checkpoint cannot be converted."""
    first = next(iter(official), "nothing")
    if any(name.startswith(("roi_head.", "neck.", "rpn_head.")) for name in unknown):
        raise ValueError(f"the checkpoint is in mmdet's names already (its first is {first!r})")
    if not any(ours.startswith("roi_head.densepose_head.") for ours in renamed.values()):
        raise ValueError(
            "no DensePose branch of detectron2 or KTN in the checkpoint (its first name is "
            f"{first!r}): a backbone alone, or another kind of detector?"
        )
    if unknown:
        raise ValueError(
            f"checkpoint name {unknown[0]!r} belongs to no known part of DensePose R-CNN or KTN "
            f"({len(unknown)} such names); to convert without them name them with --drop"
        )


def _check_duplicates(official: Mapping[str, Tensor], dropped: Mapping[str, str]) -> None:
    """Raise where an entry dropped as a double holds other values than the one that is kept."""
    for name in dropped:
        kept = name.replace(".ScaleConv.", ".ScaleConvs.")
        if kept == name:
            continue
        if kept not in official:
            raise ValueError(f"checkpoint has {name!r} without {kept!r}, of which it is the double")
        if not torch.equal(official[name], official[kept]):
            raise ValueError(f"{name!r} and {kept!r} have to be equal, and differ")


def _renamed_prefix(conversion: DetectorConversion, old: str, new: str) -> DetectorConversion:
    def rename(name: str) -> str:
        return new + name.removeprefix(old) if name.startswith(old) else name

    return replace(
        conversion,
        state_dict={rename(name): weight for name, weight in conversion.state_dict.items()},
        renamed={name: rename(ours) for name, ours in conversion.renamed.items()},
    )
