from pathlib import Path

import pytest
import torch
from torch import nn

from mmktn.checkpoints.keys import convert_densepose_keys
from mmktn.models.layers import ConvTrunk, DeepLabTrunk, KTNTrunk
from mmktn.models.necks import MultiInstanceDecoderV2, PanopticFPNDecoder
from mmktn.models.predictors import ChartPredictor, KTMv2ChartPredictor

KEYS = Path(__file__).parents[1] / "data" / "reference" / "keys"


def official_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a full-size official model."""
    shapes = {}
    for line in (KEYS / f"{name}.tsv").read_text().splitlines():
        key, shape = line.split("\t")
        shapes[key] = () if shape == "scalar" else tuple(map(int, shape.split("x")))
    return shapes


def branch(neck, trunk, predictor) -> dict[str, tuple[int, ...]]:
    """Names and shapes of our dense-pose branch at full size."""
    model = nn.Module()
    model.roi_head = nn.Module()
    model.roi_head.densepose_neck = neck
    model.roi_head.densepose_head = nn.Module()
    model.roi_head.densepose_head.trunk = trunk
    model.roi_head.densepose_head.predictor = predictor
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


BRANCHES = {
    "d2_densepose_rcnn_R_50_FPN_s1x": lambda: (PanopticFPNDecoder(), ConvTrunk(), ChartPredictor()),
    "d2_densepose_rcnn_R_50_FPN_s1x_legacy": lambda: (
        None,
        ConvTrunk(),
        ChartPredictor(coarse_channels=15),
    ),
    "d2_densepose_rcnn_R_50_FPN_DL_s1x": lambda: (
        PanopticFPNDecoder(),
        DeepLabTrunk(),
        ChartPredictor(),
    ),
    "d2_densepose_rcnn_HRFPN_HRNet_w32_s1x": lambda: (
        PanopticFPNDecoder(num_levels=5),
        ConvTrunk(),
        ChartPredictor(),
    ),
    "ktnv2_r50": lambda: (MultiInstanceDecoderV2(), KTNTrunk(), KTMv2ChartPredictor()),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_official_branch_fills_ours_exactly(name):
    """Every parameter of our branch has its official one, of the same shape, and none is left."""
    with torch.device("meta"):
        ours = branch(*BRANCHES[name]())
    converted = convert_densepose_keys(official_shapes(name))
    found = {k: v for k, v in converted.state_dict.items() if ".densepose_" in k}
    assert found == ours
    assert not [key for key in converted.unused if "densepose" in key or "decoder" in key]


def test_stock_keypoint_head_of_ktn_is_reported_unused():
    """The fork carries it and disables it."""
    unused = convert_densepose_keys(official_shapes("ktnv2_r50")).unused
    assert len(unused) == 18
    assert all(key.startswith("roi_heads.keypoint_head.") for key in unused)


def test_second_name_of_one_block_is_dropped_silently():
    shapes = official_shapes("ktnv2_r50")
    assert any(".ScaleConv." in key for key in shapes)
    assert not any(".ScaleConv." in key for key in convert_densepose_keys(shapes).unused)


def test_target_keys_decide_what_is_missing_and_unused():
    official = {
        "roi_heads.densepose_predictor.u_lowres.weight": 1,
        "roi_heads.densepose_predictor.v_lowres.weight": 2,
        "roi_heads.something.weight": 3,
    }
    prefix = "roi_head.densepose_head.predictor.deconvs."
    result = convert_densepose_keys(official, [f"{prefix}u.weight", f"{prefix}fine_segm.weight"])
    assert result.state_dict == {f"{prefix}u.weight": 1}
    assert result.unused == [
        "roi_heads.densepose_predictor.v_lowres.weight",
        "roi_heads.something.weight",
    ]
    assert result.missing == [f"{prefix}fine_segm.weight"]


@pytest.mark.parametrize(
    ("official", "ours"),
    [
        ("backbone.bottom_up.stem.conv1.norm.running_var", "backbone.bn1.running_var"),
        ("backbone.bottom_up.res4.5.conv2.weight", "backbone.layer3.5.conv2.weight"),
        ("backbone.bottom_up.res2.0.shortcut.norm.bias", "backbone.layer1.0.downsample.1.bias"),
        ("backbone.fpn_output5.bias", "neck.fpn_convs.3.conv.bias"),
        ("proposal_generator.rpn_head.anchor_deltas.weight", "rpn_head.rpn_reg.weight"),
        ("roi_heads.box_head.fc2.bias", "roi_head.bbox_head.shared_fcs.1.bias"),
        ("roi_heads.box_predictor.bbox_pred.weight", "roi_head.bbox_head.fc_reg.weight"),
        (
            "roi_heads.mid_decoder.p5.7.bias",
            "roi_head.densepose_neck.inverse_adaptations.2.2.expand.conv.bias",
        ),
        (
            "roi_heads.mid_decoder.p2.0.norm.weight",
            "roi_head.densepose_neck.finest_conv.gn.weight",
        ),
        (
            "roi_heads.densepose_head.nlb.W.1.weight",
            "roi_head.densepose_head.trunk.nonlocal_block.norm.weight",
        ),
    ],
)
def test_single_names(official, ours):
    finest = "roi_heads.mid_decoder.p2.0.bias"  # says where the levels begin
    assert convert_densepose_keys({official: 0, finest: 1}).state_dict[ours] == 0


def test_levels_count_from_the_finest_one():
    """HRFPN starts at p1, FPN at p2."""
    for first in (1, 2):
        names = {f"mid_decoder.p{first + i}.0.weight": i for i in range(3)}
        names |= {f"mid_decoder.bottom_up_p{first}.adt_conv.weight": 9}
        found = convert_densepose_keys(names).state_dict
        neck = "roi_head.densepose_neck"
        assert found == {
            f"{neck}.finest_conv.conv.weight": 0,
            f"{neck}.inverse_adaptations.0.0.conv.conv.weight": 1,
            f"{neck}.inverse_adaptations.1.0.conv.conv.weight": 2,
            f"{neck}.adaptations.0.conv.weight": 9,
        }


def test_two_names_for_one_weight_are_an_error():
    names = {
        "roi_heads.densepose_predictor.u_lowres.weight": 0,
        "densepose_predictor.u_lowres.weight": 1,
    }
    with pytest.raises(ValueError, match="already named"):
        convert_densepose_keys(names)
