"""What is dropped, what is refused, and what is said where a checkpoint does not fit a model."""

import pytest
import torch

from mmktn.checkpoints import convert_detector, fit

from .official import official_weights

D2, KTN = "d2_densepose_rcnn_R_50_FPN_s1x", "ktnv2_r50"


@pytest.fixture
def d2():
    return official_weights(D2)


@pytest.fixture
def ktn():
    return official_weights(KTN)


def shapes_of(conversion):
    return {name: tuple(weight.shape) for name, weight in conversion.state_dict.items()}


def test_weights_are_renamed_and_not_touched(d2):
    d2["roi_heads.box_predictor.cls_score.bias"] = torch.tensor([1.0, 2.0])
    conversion = convert_detector(d2)
    ours = conversion.renamed["roi_heads.box_predictor.cls_score.bias"]
    assert ours == "roi_head.bbox_head.fc_cls.bias"
    # Person before background in both.
    assert conversion.state_dict[ours].tolist() == [1.0, 2.0]
    assert conversion.official_of[ours] == "roi_heads.box_predictor.cls_score.bias"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("pixel_mean", "data_preprocessor"),
        ("pixel_std", "data_preprocessor"),
        ("proposal_generator.anchor_generator.cell_anchors.0", "anchor_generator"),
    ],
)
def test_extras_of_detectron2_are_dropped_with_a_reason(d2, name, why):
    conversion = convert_detector(d2 | {name: torch.zeros(3)})
    assert why in conversion.dropped[name]
    assert set(conversion.constants) == {name}
    assert name not in conversion.renamed


def test_unknown_name_is_refused_unless_left_out_on_request(d2):
    d2 |= {f"roi_heads.mask_head.{n}.weight": torch.zeros(1) for n in ("mask_fcn1", "predictor")}
    with pytest.raises(ValueError, match=r"'roi_heads\.mask_head\.mask_fcn1\.weight'.*2 such"):
        convert_detector(d2)
    dropped = convert_detector(d2, drop=[r"mask_head\..*"]).dropped
    assert list(dropped.values()) == ["left out on request"] * 2


def test_keypoint_head_outside_ktn_is_not_dropped_silently(d2):
    with pytest.raises(ValueError, match="keypoint_head"):
        convert_detector(d2 | {"roi_heads.keypoint_head.conv_fcn1.weight": torch.zeros(1)})


def test_known_names_can_be_left_out_on_request(ktn):
    conversion = convert_detector(ktn, drop=[r"densepose_predictor\.k_lowres\..*"])
    assert not any("keypoint_heatmaps" in name for name in conversion.state_dict)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["stem.conv1.weight", "res2.0.conv1.weight"], "no DensePose branch"),
        (["backbone.bottom_up.stem.conv1.weight"], "no DensePose branch"),
        (["backbone.conv1.weight", "rpn_head.rpn_conv.weight"], "mmdet's names already"),
    ],
)
def test_other_checkpoints_are_refused(names, why):
    with pytest.raises(ValueError, match=why):
        convert_detector({name: torch.zeros(1) for name in names})


def test_second_registration_has_to_hold_the_same_values(ktn):
    name = "roi_heads.densepose_head.ScaleConv.norms.0.weight"
    with pytest.raises(ValueError, match=r"ScaleConv\.norms.*have to be equal"):
        convert_detector(ktn | {name: torch.ones(256)})
    del ktn["roi_heads.densepose_head.ScaleConvs.norms.0.weight"]
    with pytest.raises(ValueError, match=r"without.*ScaleConvs\.norms"):
        convert_detector(ktn)


def test_first_weight_without_a_place_is_named(d2):
    conversion = convert_detector(d2)
    expected = shapes_of(conversion)
    del expected["rpn_head.rpn_cls.bias"]
    with pytest.raises(ValueError, match=r"objectness_logits\.bias \(3,\).*does not have; try X"):
        fit(conversion, expected, hint="try X")


def test_first_weight_of_another_shape_is_named(d2):
    conversion = convert_detector(d2)
    expected = shapes_of(conversion) | {"roi_head.bbox_head.fc_cls.weight": (81, 1024)}
    with pytest.raises(
        ValueError, match=r"cls_score\.weight has shape \(2, 1024\).*wants \(81, 1024\)"
    ):
        fit(conversion, expected)


def test_weight_that_the_checkpoint_lacks_is_named(d2):
    conversion = convert_detector(d2)
    expected = shapes_of(conversion) | {"roi_head.mask_head.conv.weight": (1,)}
    with pytest.raises(ValueError, match=r"wants roi_head\.mask_head\.conv\.weight.*1 such"):
        fit(conversion, expected)


def test_decoder_moves_into_version_1_of_the_multi_instance_decoder(d2):
    conversion = convert_detector(d2)
    plain, nested = "roi_head.densepose_neck.", "roi_head.densepose_neck.decoder."
    expected = {name.replace(plain, nested): size for name, size in shapes_of(conversion).items()}
    fitted = fit(conversion, expected)
    assert set(fitted.state_dict) == set(expected)
    ours = fitted.renamed["roi_heads.decoder.predictor.weight"]
    assert ours == "roi_head.densepose_neck.decoder.output.weight"
