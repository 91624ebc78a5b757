"""Complete official key lists fill the full-size models of the shipped configs, all of them."""

import re

import pytest
from mmengine.config import Config

from mmktn.checkpoints import (
    convert_detector,
    explain_misfit,
    find_config,
    fit,
    model_shapes,
    unfilled_counters,
)
from mmktn.zoo.table import config_file, zoo_models

from .official import CONFIGS, LISTS, official_weights, with_101_layers

R50 = {
    "d2_densepose_rcnn_R_50_FPN_s1x": "densepose-rcnn_r50_fpn_s1x_dp-coco",
    "d2_densepose_rcnn_R_50_FPN_DL_s1x": "densepose-rcnn-dl_r50_fpn_s1x_dp-coco",
    "d2_densepose_rcnn_R_50_FPN_s1x_legacy": "densepose-rcnn-legacy_r50_fpn_s1x_dp-coco",
    "ktnv2_r50": "ktn2_r50_fpn_s1x_dp-coco",
}
R101 = [name for name in R50 if name.startswith("d2")]
HRFPN = "d2_densepose_rcnn_HRFPN_HRNet_w32_s1x"


# The 27 chart models of detectron2: legacy, default and DeepLab, each on two backbones; the latter
# two with four kinds of confidences; and five trained further on chimpanzees, of one structure.
CONFIDENCES = {
    f"d2_densepose_rcnn_R_50_FPN{head}_{kind}_s1x": f"densepose-rcnn{head.replace('_', '-')}-{kind}"
    for head in ("", "_DL")
    for kind in ("WC1", "WC2", "WC1M", "WC2M")
}
CHIMPS = [
    f"densepose_R_50_FPN_DL_WC1M_3x_Atop10P_CA{tail}"
    for tail in ("", "_B_uniform", "_B_uv", "_B_finesegm", "_B_coarsesegm")
]


# Of the 14 models with embeddings; those with the same structure share a config.
EMBEDDINGS = {
    "d2_cse_densepose_rcnn_R_50_FPN_s1x": "densepose-cse_r50_fpn_s1x_dp-coco",
    "d2_cse_densepose_rcnn_R_50_FPN_soft_s1x": "densepose-cse_r50_fpn_s1x_dp-coco",
    "d2_cse_densepose_rcnn_R_50_FPN_DL_s1x": "densepose-cse-dl_r50_fpn_s1x_dp-coco",
    "d2_cse_densepose_rcnn_R_50_FPN_soft_chimps_finetune_4k": (
        "densepose-cse-soft_r50_fpn_4k_dp-chimps"
    ),
    "d2_cse_densepose_rcnn_R_50_FPN_soft_animals_finetune_4k": (
        "densepose-cse-soft_r50_fpn_4k_dp-lvis1"
    ),
    "d2_cse_densepose_rcnn_R_50_FPN_soft_animals_I0_finetune_16k": (
        "densepose-cse-soft_r50_fpn_16k_dp-lvis2"
    ),
    "d2_cse_densepose_rcnn_R_50_FPN_soft_animals_CA_finetune_16k": (
        "densepose-cse-soft_r50_fpn_agnostic_16k_dp-lvis2"
    ),
}


def assert_complete(official, conversion, expected):
    assert set(conversion.renamed) | set(conversion.dropped) == set(official)
    assert not set(conversion.renamed) & set(conversion.dropped)
    assert set(conversion.state_dict) <= set(expected)
    assert all(tuple(w.shape) == expected[n] for n, w in conversion.state_dict.items())
    counters = unfilled_counters(conversion, expected)
    assert set(counters) == set(expected) - set(conversion.state_dict)
    assert all(name.endswith("num_batches_tracked") for name in counters)


@pytest.mark.parametrize("name", sorted(name for name in LISTS if "stip" not in name))
def test_every_key_list_of_a_detector_fills_a_shipped_config(name):
    official = official_weights(name)
    found = find_config(convert_detector(official), CONFIGS)
    assert found is not None
    assert_complete(official, found.conversion, model_shapes(found.config))
    if name in EMBEDDINGS:
        assert found.path.stem == EMBEDDINGS[name]
        assert (found.widths, found.conversion.dropped) == ({}, {})
    algorithm = CONFIDENCES.get(name.replace("R_101", "R_50"))
    if algorithm:
        depth = "r101" if "R_101" in name else "r50"
        assert found.path.stem == f"{algorithm.lower()}_{depth}_fpn_s1x_dp-coco"
        assert (found.widths, found.conversion.dropped) == ({}, {})


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


def test_hrfpn_checkpoint_fills_the_model_of_its_config():
    """Every name of HRNet, the pyramid and the five-level decoder is consumed, none is dropped."""
    official = official_weights(HRFPN)
    found = find_config(convert_detector(official), CONFIGS)
    assert found is not None
    assert found.path.stem == "densepose-rcnn_hrnet-w32_hrfpn_s1x_dp-coco"
    assert found.widths == {}
    assert found.conversion.dropped == {}
    expected = model_shapes(found.config)
    assert_complete(official, found.conversion, expected)
    # Its norms are not frozen, so their counters are there too.
    assert set(found.conversion.state_dict) == set(expected)


def test_ktn_on_hrfpn_would_fill_its_config():
    """No key list of it was released: the two official lists put together."""
    hrfpn, ktn = official_weights(HRFPN), official_weights("ktnv2_r50")
    official = {k: v for k, v in hrfpn.items() if not re.search(r"decoder|densepose", k)}
    for name, weight in ktn.items():
        if re.search(r"mid_decoder|densepose", name):
            # The levels are p1 ... p5 instead of p2 ... p5.
            official[re.sub(r"p(\d)\.", lambda m: f"p{int(m[1]) - 1}.", name)] = weight
    for level in range(4):
        for kind in ("weight", "bias"):
            step = f"roi_heads.mid_decoder.bottom_up_p{level + 1}.adt_conv.{kind}"
            official[step] = ktn[f"roi_heads.mid_decoder.bottom_up_p2.adt_conv.{kind}"]
    for step in range(4):
        for offset in (0, 1):
            for kind in ("weight", "bias"):
                source = ktn[f"roi_heads.mid_decoder.p3.{offset}.{kind}"]
                official[f"roi_heads.mid_decoder.p5.{3 * step + offset}.{kind}"] = source
    found = find_config(convert_detector(official), CONFIGS)
    assert found is not None
    assert found.path.stem == "ktn2_hrnet-w32_hrfpn_s1x_dp-coco"
    assert_complete(official, found.conversion, model_shapes(found.config))


@pytest.mark.parametrize("name", CONFIDENCES)
def test_confidence_checkpoint_on_r101_fills_the_model_of_its_config(name):
    official = with_101_layers(official_weights(name))
    config = CONFIDENCES[name].lower() + "_r101_fpn_s1x_dp-coco.py"
    expected = model_shapes(Config.fromfile(str(CONFIGS / config)))
    conversion = fit(convert_detector(official), expected)
    assert conversion.dropped == {}
    assert_complete(official, conversion, expected)


def test_confidence_models_of_the_table_name_configs_that_exist():
    """All 27 chart models of detectron2, those on chimpanzees included."""
    charts = [m for m in zoo_models() if m.kind == "charts" and "DENSEPOSE_IUV" in m.page]
    assert len(charts) == 27
    assert {alias for m in charts for alias in m.aliases} >= set(CHIMPS)
    assert {m.name for m in charts if config_file(m) is None} == set()


def test_confidence_checkpoint_that_no_config_fits_says_so():
    official = official_weights("ktnv2_r50")
    plain = official_weights("d2_densepose_rcnn_R_50_FPN_WC1_s1x")
    sigma = {name: weight for name, weight in plain.items() if "sigma_2" in name}
    reason = explain_misfit(convert_detector(official | sigma), CONFIGS)
    assert "predictor.extra_maps would be ['sigma_2'], not None" in reason
