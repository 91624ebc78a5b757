"""Command line of the converter of detectron2 and KTN checkpoints."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from mmktn.apis import convert_command as convert_detectron2
from mmktn.apis.model_loading import load_model
from tests.command_line import refused

REPO = Path(__file__).resolve().parents[2]
CONFIGS = REPO / "configs" / "densepose"


@pytest.fixture(scope="module")
def weights():
    arrays = np.load(REPO / "tests" / "data" / "reference" / "e2e_d2_densepose_tiny.npz")
    return {
        name.removeprefix("param/"): arrays[name].astype(np.float32)
        for name in arrays.files
        if name.startswith("param/")
    }


def _pickle(folder: Path, weights: dict) -> Path:
    path = folder / "model_final.pkl"
    path.write_bytes(pickle.dumps({"model": weights, "__author__": "Detectron2 Model Zoo"}))
    return path


def test_converted_checkpoint_loads_with_the_written_config(tmp_path, weights, capsys):
    target, config = tmp_path / "new" / "ours.pth", tmp_path / "ours.py"
    mean = np.float32([103.530, 116.280, 123.675]).reshape(3, 1, 1)
    source = _pickle(tmp_path, weights | {"pixel_mean": mean})
    convert_detectron2.main([str(source), str(target), "--out-config", str(config)])
    shown = capsys.readouterr().out
    assert "consumed 335, dropped 1" in shown
    assert "pixel_mean" in shown
    assert "missing: nothing but 53 batch counters" in shown
    content = torch.load(target, weights_only=True)
    assert content["meta"]["source"] == "model_final.pkl"
    assert len(content["meta"]["source_sha256"]) == 64
    assert list(content["meta"]["dropped"]) == ["pixel_mean"]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*ours.pth")
        model = load_model(config, target, device="cpu")
    bias = model.rpn_head.rpn_reg.bias.detach().numpy()
    np.testing.assert_array_equal(bias, weights["proposal_generator.rpn_head.anchor_deltas.bias"])
    state = model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in content["state_dict"].items())


def test_config_that_does_not_fit_is_one_line_with_a_hint(tmp_path, weights):
    config = CONFIGS / "densepose-rcnn_r50_fpn_s1x_dp-coco.py"
    target = tmp_path / "ours.pth"
    refused(
        convert_detectron2.main,
        [str(_pickle(tmp_path, weights)), str(target), "--config", str(config)],
        r"fpn_lateral2.*with other widths$",
    )
    assert not target.exists()


def test_other_normalisation_than_that_of_the_config_is_refused(tmp_path, weights):
    rgb = np.float32([123.675, 116.280, 103.530]).reshape(3, 1, 1)
    source = _pickle(tmp_path, weights | {"pixel_mean": rgb})
    refused(
        convert_detectron2.main, [str(source), str(tmp_path / "ours.pth")], r"pixel_mean is \[123"
    )


def test_structure_without_a_config_is_written_on_request(tmp_path, weights, capsys, monkeypatch):
    monkeypatch.setattr(convert_detectron2, "config_folders", lambda: [tmp_path])
    source, target = _pickle(tmp_path, weights), tmp_path / "ours.pth"
    refused(
        convert_detectron2.main, [str(source), str(target)], r"none has its backbone.*--unchecked"
    )
    assert not target.exists()
    convert_detectron2.main([str(source), str(target), "--unchecked"])
    assert "not checked against a model" in capsys.readouterr().out
    assert target.is_file()
    refused(
        convert_detectron2.main,
        [source, tmp_path / "b.pth", "--unchecked", "--out-config", tmp_path / "c.py"],
        "no config to write",
    )


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        ("backbone.bottom_up", "no stem and stages of a ResNet or HRNet"),
        ("backbone.bottom_up.res5", "no stem and stages of a ResNet or HRNet"),
        ("backbone.bottom_up.stem", "no stem of the backbone"),
        ("backbone.bottom_up.res3.1.conv2", "backbone.depth would be|backbone.layer2.1.conv2"),
        ("backbone.fpn_lateral", "no feature pyramid"),
        ("proposal_generator", "no RPN"),
        ("roi_heads.box_head", "no box head"),
        ("roi_heads.box_head.fc2", "shared_fcs.1"),
        ("roi_heads.box_predictor", "bbox_head.fc_cls"),
        ("roi_heads.decoder", "ann_index_lowres"),
        ("roi_heads.decoder.predictor", "densepose_neck.output"),
        ("roi_heads.densepose_head.body_conv_fcn3.bias", "convs.2.conv.bias"),
        ("roi_heads.densepose_predictor.u_lowres", "no layer of U"),
        ("roi_heads.densepose_predictor.v_lowres", "deconvs.v.weight"),
    ],
)
def test_incomplete_checkpoint_is_refused_and_the_first_gap_named(
    tmp_path, weights, left_out, message
):
    rest = {name: value for name, value in weights.items() if not name.startswith(left_out)}
    assert len(rest) < len(weights)
    target = tmp_path / "ours.pth"
    refused(convert_detectron2.main, [str(_pickle(tmp_path, rest)), str(target)], message)
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("roi_heads.box_head.fc1.weight", np.zeros(3), r"shape \(3,\), expected 2 dimensions"),
        ("roi_heads.decoder.p3.0.weight", np.float32(1), "a single number"),
        (7, np.zeros(3), "filed under 7"),
    ],
)
def test_weights_of_a_wrong_kind_are_one_line(tmp_path, weights, name, value, message):
    source = _pickle(tmp_path, weights | {name: value})
    refused(convert_detectron2.main, [str(source), str(tmp_path / "ours.pth")], message)


def test_pattern_that_is_none_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        convert_detectron2.main([str(tmp_path / "a"), str(tmp_path / "b"), "--drop", "(["])
    assert "'([' is no regular expression" in capsys.readouterr().err


def test_names_can_be_left_out_on_request(tmp_path, weights, capsys):
    source = _pickle(tmp_path, weights | {"roi_heads.mask_head.x": np.zeros(1)})
    target = str(tmp_path / "ours.pth")
    refused(convert_detectron2.main, [str(source), target], r"mask_head\.x.*--drop")
    convert_detectron2.main([str(source), target, "--drop", "mask_head.*"])
    assert "left out on request" in capsys.readouterr().out


def test_missing_file_is_one_line(tmp_path):
    refused(
        convert_detectron2.main,
        [str(tmp_path / "no.pkl"), str(tmp_path / "ours.pth")],
        "convert: checkpoint not found",
    )
