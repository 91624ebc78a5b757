"""Names in official checkpoints -> names in this package, for converters and parity tests.

Covers detectron2 DensePose, KTN v1 and v2 (both built on detectron2) and the UV branch of Parsing
R-CNN. Rules are rows of a table: a pattern for the whole name and a template for ours. A name
without a row is reported, never dropped silently.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")

NECK = "roi_head.densepose_neck"
TRUNK = "roi_head.densepose_head.trunk"
DECONVS = "roi_head.densepose_head.predictor.deconvs"
EMBEDDER = "roi_head.densepose_head.embedder"
CONFIDENCES = ("sigma_2", "kappa_u", "kappa_v", "fine_segm_confidence", "coarse_segm_confidence")
"""Maps that a predictor may have beside the standard ones; the same names in both."""
MACHINE = f"{DECONVS}.fine_segm.machine"

# What a layer of a block is followed by: detectron2 keeps the norm inside the convolution.
LAYER = r"(?P<norm>norm\.)?(?P<rest>\w+)"

TRUNK_RULES = (
    (r"densepose_head\.ASPP\.convs\.0\.0\.(?P<rest>\w+)", "aspp.point_branch.conv.{rest}"),
    (r"densepose_head\.ASPP\.convs\.0\.1\.(?P<rest>\w+)", "aspp.point_branch.gn.{rest}"),
    (r"densepose_head\.ASPP\.convs\.4\.1\.(?P<rest>\w+)", "aspp.pool_branch.conv.{rest}"),
    (r"densepose_head\.ASPP\.convs\.4\.2\.(?P<rest>\w+)", "aspp.pool_branch.gn.{rest}"),
    (
        r"densepose_head\.ASPP\.convs\.(?P<n>[123])\.0\.(?P<rest>\w+)",
        "aspp.dilated_branches.{n_from_0}.conv.{rest}",
    ),
    (
        r"densepose_head\.ASPP\.convs\.(?P<n>[123])\.1\.(?P<rest>\w+)",
        "aspp.dilated_branches.{n_from_0}.gn.{rest}",
    ),
    (r"densepose_head\.ASPP\.project\.0\.(?P<rest>\w+)", "aspp.project.{rest}"),
    (
        r"densepose_head\.nlb\.(?P<layer>theta|phi|g)\.(0\.)?(?P<rest>\w+)",
        "nonlocal_block.{layer}.{rest}",
    ),
    (r"densepose_head\.nlb\.W\.0\.(?P<rest>\w+)", "nonlocal_block.out.{rest}"),
    (r"densepose_head\.nlb\.W\.1\.(?P<rest>\w+)", "nonlocal_block.norm.{rest}"),
    (r"densepose_head\.ScaleConvs\.weight", "scale_convs.shared.weight"),
    (
        r"densepose_head\.ScaleConvs\.conv1\.0\.(?P<rest>\w+)",
        "scale_convs.point_branch.conv.{rest}",
    ),
    (r"densepose_head\.ScaleConvs\.conv1\.1\.(?P<rest>\w+)", "scale_convs.point_branch.gn.{rest}"),
    (
        r"densepose_head\.ScaleConvs\.norms\.(?P<n>\d+)\.(?P<rest>\w+)",
        "scale_convs.norms.{n}.{rest}",
    ),
    (r"densepose_head\.ScaleConvs\.project\.0\.(?P<rest>\w+)", "scale_convs.project.{rest}"),
    (rf"densepose_head\.body_conv_fcn(?P<n>\d+)\.{LAYER}", "convs.{n_from_0}.{part}.{rest}"),
    # Parsing R-CNN
    (r"head\.asppv3\.0\.0\.(?P<rest>\w+)", "aspp.point_branch.conv.{rest}"),
    (
        r"head\.asppv3\.(?P<n>[1-9]\d*)\.0\.(?P<rest>\w+)",
        "aspp.dilated_branches.{n_from_0}.conv.{rest}",
    ),
    (r"head\.im_pool\.1\.0\.(?P<rest>\w+)", "aspp.pool_branch.conv.{rest}"),
    (r"head\.feat\.0\.0\.(?P<rest>\w+)", "aspp.project.{rest}"),
    (r"head\.feat\.1\.gn\.(?P<rest>\w+)", "nonlocal_block.norm.{rest}"),
    (r"head\.feat\.1\.(?P<layer>\w+)\.(?P<rest>\w+)", "nonlocal_block.{layer}.{rest}"),
    (r"head\.conv_after_asppv3\.(?P<n>\d+)\.0\.(?P<rest>\w+)", "convs.{n}.conv.{rest}"),
)

DECONV_RULES = (
    (r"densepose_predictor\.ann_index_lowres\.(?P<rest>\w+)", "coarse_segm.{rest}"),
    (r"densepose_predictor\.coarse_segm_lowres\.(?P<rest>\w+)", "coarse_segm.{rest}"),
    (r"densepose_predictor\.embed_lowres\.(?P<rest>\w+)", "embedding.{rest}"),
    (r"densepose_predictor\.index_uv_lowres\.(?P<rest>\w+)", "fine_segm.{rest}"),
    (r"densepose_predictor\.(?P<layer>[uv])_lowres\.(?P<rest>\w+)", "{layer}.{rest}"),
    (r"densepose_predictor\.m_lowres\.(?P<rest>\w+)", "body_mask.{rest}"),
    (r"densepose_predictor\.k_lowres\.(?P<rest>\w+)", "keypoint_heatmaps.{rest}"),
    (
        rf"densepose_predictor\.(?P<layer>{'|'.join(CONFIDENCES)})_lowres\.(?P<rest>\w+)",
        "{layer}.{rest}",
    ),
    (r"densepose_predictor\.body_kpt_(?P<rest>weight|bias)", "keypoint_heatmaps.{rest}"),
    # Parsing R-CNN
    (r"output\.deconv_Ann\.(?P<rest>\w+)", "coarse_segm.{rest}"),
    (r"output\.deconv_Index\.(?P<rest>\w+)", "fine_segm.{rest}"),
    (r"output\.deconv_U\.(?P<rest>\w+)", "u.{rest}"),
    (r"output\.deconv_V\.(?P<rest>\w+)", "v.{rest}"),
)

MACHINE_RULES = (
    (
        r"densepose_predictor\.(kpt_surface|parameter)_transformer\.(?P<n>\d)\.(?P<rest>\w+)",
        "transformer.{n}.{rest}",
    ),
    (
        r"densepose_predictor\.(kpt_surface_transfer|kpt_crgk)_matrix",
        "graph.relations.keypoint",
    ),
    (r"densepose_predictor\.part_crgk_matrix", "graph.relations.part"),
    (r"densepose_predictor\.bbox_crgk_matrix", "graph.relations.box"),
)

EMBEDDER_RULES = (
    (
        r"embedder\.embedder_(?P<mesh>\w+)\.(?P<rest>embeddings|features)",
        "embedders.{mesh}.{rest}",
    ),
)

NECK_RULES = (
    # Panoptic-FPN decoder: convolutions alternate with resizings, which have no parameters.
    (
        rf"decoder\.p(?P<level>\d)\.(?P<step>\d+)\.{LAYER}",
        "scale_heads.{level}.{half}.{part}.{rest}",
    ),
    # MIDv2: convolution 3 x 3, convolution 1 x 1 and pixel shuffle repeat.
    (
        rf"mid_decoder\.bottom_up_p(?P<level>\d)\.adt_conv\.{LAYER}",
        "adaptations.{level}.{part}.{rest}",
    ),
    (rf"mid_decoder\.p(?P<finest>\d)\.0\.{LAYER}", "finest_conv.{part}.{rest}"),
    (
        rf"mid_decoder\.p(?P<level>\d)\.(?P<step>\d+)\.{LAYER}",
        "inverse_adaptations.{level_above}.{third}.{role}.{part}.{rest}",
    ),
    (
        r"mid_decoder\.trident_convs\.(?P<n>\d)\.(?P<sub>[01])\.(?P<rest>\w+)",
        "dilated_branches.{n}.{conv_or_norm}.{rest}",
    ),
    (r"(mid_)?decoder\.predictor\.(?P<rest>\w+)", "output.{rest}"),
)

DETECTOR_RULES = (
    # ResNet and FPN of detectron2
    (r"backbone\.bottom_up\.stem\.conv1\.weight", "backbone.conv1.weight"),
    (r"backbone\.bottom_up\.stem\.conv1\.norm\.(?P<rest>\w+)", "backbone.bn1.{rest}"),
    (
        r"backbone\.bottom_up\.res(?P<n>\d)\.(?P<block>\d+)\.shortcut\.weight",
        "backbone.layer{n_from_0}.{block}.downsample.0.weight",
    ),
    (
        r"backbone\.bottom_up\.res(?P<n>\d)\.(?P<block>\d+)\.shortcut\.norm\.(?P<rest>\w+)",
        "backbone.layer{n_from_0}.{block}.downsample.1.{rest}",
    ),
    (
        r"backbone\.bottom_up\.res(?P<n>\d)\.(?P<block>\d+)\.conv(?P<k>\d)\.weight",
        "backbone.layer{n_from_0}.{block}.conv{k}.weight",
    ),
    (
        r"backbone\.bottom_up\.res(?P<n>\d)\.(?P<block>\d+)\.conv(?P<k>\d)\.norm\.(?P<rest>\w+)",
        "backbone.layer{n_from_0}.{block}.bn{k}.{rest}",
    ),
    (
        r"backbone\.fpn_lateral(?P<level>\d)\.(?P<rest>\w+)",
        "neck.lateral_convs.{level}.conv.{rest}",
    ),
    (r"backbone\.fpn_output(?P<level>\d)\.(?P<rest>\w+)", "neck.fpn_convs.{level}.conv.{rest}"),
    # HRFPN; below it HRNet: same names
    (
        r"backbone\.interp_conv\.(?P<n>\d)\.(?P<sub>[01])\.(?P<rest>\w+)",
        "neck.enlargements.{n}.{sub}.{rest}",
    ),
    (
        r"backbone\.reduction_pooling_conv\.(?P<n>\d)\.(?P<sub>[01])\.(?P<rest>\w+)",
        "neck.reductions.{n}.{sub}.{rest}",
    ),
    (r"backbone\.fpn_conv\.(?P<n>\d)\.(?P<rest>\w+)", "neck.level_convs.{n}.{rest}"),
    (
        r"backbone\.bottom_up\.(?P<rest>(conv[12]|bn[12]|layer1|transition\d|stage\d)\..+)",
        "backbone.{rest}",
    ),
    # RPN and box head
    (r"proposal_generator\.rpn_head\.conv\.(?P<rest>\w+)", "rpn_head.rpn_conv.{rest}"),
    (r"proposal_generator\.rpn_head\.objectness_logits\.(?P<rest>\w+)", "rpn_head.rpn_cls.{rest}"),
    (r"proposal_generator\.rpn_head\.anchor_deltas\.(?P<rest>\w+)", "rpn_head.rpn_reg.{rest}"),
    (r"box_head\.fc(?P<n>\d)\.(?P<rest>\w+)", "roi_head.bbox_head.shared_fcs.{n_from_0}.{rest}"),
    (r"box_predictor\.cls_score\.(?P<rest>\w+)", "roi_head.bbox_head.fc_cls.{rest}"),
    (r"box_predictor\.bbox_pred\.(?P<rest>\w+)", "roi_head.bbox_head.fc_reg.{rest}"),
)

RULES = tuple(
    (re.compile(pattern), prefix + template)
    for prefix, table in (
        (f"{TRUNK}.", TRUNK_RULES),
        (f"{DECONVS}.", DECONV_RULES),
        (f"{MACHINE}.", MACHINE_RULES),
        (f"{EMBEDDER}.", EMBEDDER_RULES),
        (f"{NECK}.", NECK_RULES),
        ("", DETECTOR_RULES),
    )
    for pattern, template in table
)

# The KTN head registers one block under two names: same tensors twice.
DUPLICATE = re.compile(r"densepose_head\.ScaleConv\..+")
# Prefixes that say nothing: detectron2 wraps the branch, KTM version 1 was dumped bare.
WRAPPERS = re.compile(r"^(model\.)?(roi_heads\.|UV_RCNN\.)?")
BARE_PREDICTOR = re.compile(r"(body_kpt_|kpt_surface_|[a-z_2]+_lowres\.)")


@dataclass
class KeyConversion(Generic[Value]):
    """Outcome of a conversion.

    Attributes:
        state_dict: Our names -> values.
        unused: Official names without a place here, in order (duplicates excluded).
        missing: Names the model wants and the checkpoint lacks; empty if not asked for.
    """

    state_dict: dict[str, Value]
    unused: list[str]
    missing: list[str]


def convert_densepose_keys(
    state_dict: Mapping[str, Value], target_keys: Collection[str] | None = None
) -> KeyConversion[Value]:
    """Rename the entries of an official checkpoint.

    Args:
        state_dict: Official names -> values; the prefix `roi_heads.` may be absent.
        target_keys: Names of the model's state dict, to find out what is missing and what has no
            place there. None: every name with a rule is kept.

    Returns:
        Renamed entries, names left over, names missing.

    Raises:
        ValueError: Two names map to the same one.
    """
    converted: dict[str, Value] = {}
    unused = []
    names = list(state_dict)
    renaming = _Renaming(names)
    for name in names:
        ours = renaming(name)
        if ours is None or (target_keys is not None and ours not in target_keys):
            if not DUPLICATE.fullmatch(_unwrap(name)):
                unused.append(name)
            continue
        if ours in converted:
            raise ValueError(
                f"{name}: another entry of the checkpoint is already named {ours} here"
            )
        converted[ours] = state_dict[name]
    missing = [key for key in target_keys or () if key not in converted]
    return KeyConversion(converted, unused, missing)


class _Renaming:
    """Renames one name at a time; knows from all names which level is the finest."""

    def __init__(self, names: Iterable[str]) -> None:
        names = [_unwrap(name) for name in names]
        levels = [re.match(r"(?:mid_)?decoder\.p(\d)\.", name) for name in names]
        self.finest = min((int(m.group(1)) for m in levels if m), default=2)
        # With a generated surface classifier the plain one of version 1 exists but is never used.
        self.is_generated = any("_transformer." in name for name in names)

    def __call__(self, official: str) -> str | None:
        name = _unwrap(official)
        if self.is_generated and name.startswith("densepose_predictor.index_uv_lowres"):
            return None
        for pattern, template in RULES:
            match = pattern.fullmatch(name)
            if match and int(match.groupdict().get("finest", self.finest)) == self.finest:
                return template.format(**self._values(match.groupdict(default="")))
        return None

    def _values(self, groups: dict[str, str]) -> dict[str, str | int]:
        """Return what templates may use beside the groups of the pattern."""
        number, step = int(groups.get("n") or 0), int(groups.get("step") or 0)
        level = int(groups.get("level") or self.finest) - self.finest
        return groups | {
            "n_from_0": number - 1,
            "level": level,
            "level_above": level - 1,
            "half": step // 2,
            "third": step // 3,
            "role": "conv" if step % 3 == 0 else "expand",
            "part": "gn" if groups.get("norm") else "conv",
            "conv_or_norm": "gn" if groups.get("sub") == "1" else "conv",
        }


def _unwrap(name: str) -> str:
    """Strip prefixes that carry no information; put back the one that a bare dump lacks."""
    name = WRAPPERS.sub("", name, count=1)
    return f"densepose_predictor.{name}" if BARE_PREDICTOR.match(name) else name
