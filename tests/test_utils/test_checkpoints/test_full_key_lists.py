"""Complete official key lists fill the full-size models of the shipped configs, all of them."""

import pytest
import torch
from mmdet.models.backbones import HRNet
from mmengine.config import Config

from mmktn.utils.checkpoint_keys import convert_densepose_keys
from mmktn.utils.checkpoints import (
    convert_detector,
    find_config,
    fit,
    model_shapes,
    unfilled_counters,
)

from .official import CONFIGS, KEYS, official_weights, with_101_layers

R50 = {
    "d2_densepose_rcnn_R_50_FPN_s1x": "densepose-rcnn_r50_fpn_s1x_dp-coco",
    "d2_densepose_rcnn_R_50_FPN_DL_s1x": "densepose-rcnn-dl_r50_fpn_s1x_dp-coco",
    "d2_densepose_rcnn_R_50_FPN_s1x_legacy": "densepose-rcnn-legacy_r50_fpn_s1x_dp-coco",
    "ktnv2_r50": "ktn2_r50_fpn_s1x_dp-coco",
}
R101 = [name for name in R50 if name.startswith("d2")]
HRFPN = "d2_densepose_rcnn_HRFPN_HRNet_w32_s1x"


def assert_complete(official, conversion, expected):
    assert set(conversion.renamed) | set(conversion.dropped) == set(official)
    assert not set(conversion.renamed) & set(conversion.dropped)
    assert set(conversion.state_dict) <= set(expected)
    assert all(tuple(w.shape) == expected[n] for n, w in conversion.state_dict.items())
    counters = unfilled_counters(conversion, expected)
    assert set(counters) == set(expected) - set(conversion.state_dict)
    assert all(name.endswith("num_batches_tracked") for name in counters)


def test_every_key_list_of_a_detector_is_checked_here():
    lists = {path.stem for path in KEYS.glob("*.tsv") if "stip" not in path.stem}
    assert lists == {*R50, HRFPN}


@pytest.mark.parametrize("name", R50)
def test_r50_checkpoint_fills_the_model_of_its_config(name):
    official = official_weights(name)
    found = find_config(convert_detector(official), CONFIGS)
    assert found is not None
    assert found.path.stem == R50[name]
    assert found.widths == {}
    assert_complete(official, found.conversion, model_shapes(found.config))


@pytest.mark.parametrize("name", R101)
def test_r101_checkpoint_fills_the_model_of_its_config(name):
    official = with_101_layers(official_weights(name))
    config = Config.fromfile(str(CONFIGS / f"{R50[name].replace('r50', 'r101')}.py"))
    expected = model_shapes(config)
    assert_complete(official, fit(convert_detector(official), expected), expected)


def test_of_ktn_two_kinds_of_names_are_dropped_and_each_says_why():
    dropped = convert_detector(official_weights("ktnv2_r50")).dropped
    reasons = {reason: [n for n in dropped if dropped[n] == reason] for reason in dropped.values()}
    keypoint, double = reasons.values()
    assert all(name.startswith("roi_heads.keypoint_head.") for name in keypoint)
    assert len(keypoint) == 18
    assert all(name.startswith("roi_heads.densepose_head.ScaleConv.") for name in double)
    assert len(double) == 11


@pytest.mark.parametrize("name", R101)
def test_of_detectron2_nothing_is_dropped(name):
    assert convert_detector(official_weights(name)).dropped == {}


def test_hrfpn_is_refused_with_one_clear_message():
    with pytest.raises(ValueError, match=r"backbone\..*HRFPN pyramid.*no counterpart") as error:
        convert_detector(official_weights(HRFPN))
    assert "\n" not in str(error.value)


def test_hrnet_of_the_hrfpn_list_fills_the_backbone_of_mmdet():
    branches = {"block": "BASIC", "num_branches": 0, "num_blocks": (), "num_channels": ()}
    extra = {
        "stage1": branches
        | {"num_modules": 1, "num_branches": 1, "block": "BOTTLENECK"}
        | {"num_blocks": (4,), "num_channels": (64,)}
    }
    for stage, modules in ((2, 1), (3, 4), (4, 3)):
        extra[f"stage{stage}"] = branches | {
            "num_modules": modules,
            "num_branches": stage,
            "num_blocks": (4,) * stage,
            "num_channels": tuple(32 * 2**i for i in range(stage)),
        }
    with torch.device("meta"):
        weights = HRNet(extra=extra, norm_eval=False).state_dict()
    expected = {f"backbone.{name}": tuple(weight.shape) for name, weight in weights.items()}
    official = {k: v for k, v in official_weights(HRFPN).items() if "bottom_up" in k}
    converted = convert_densepose_keys(official, expected)
    assert converted.missing == []
    assert converted.unused == []
    assert {n: tuple(w.shape) for n, w in converted.state_dict.items()} == expected
