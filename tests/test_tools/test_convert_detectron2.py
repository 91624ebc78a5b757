"""Command line of the converter of detectron2 and KTN checkpoints."""

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from mmktn.apis.model_loading import load_model

REPO = Path(__file__).resolve().parents[2]
CONFIGS = REPO / "configs" / "densepose"


def _load():
    path = REPO / "tools" / "model_converters" / "convert_detectron2.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


convert_detectron2 = _load()


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
    model = load_model(config, target, device="cpu")
    bias = model.rpn_head.rpn_reg.bias.detach().numpy()
    np.testing.assert_array_equal(bias, weights["proposal_generator.rpn_head.anchor_deltas.bias"])
    state = model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in content["state_dict"].items())


def test_config_that_does_not_fit_is_one_line_with_a_hint(tmp_path, weights):
    config = CONFIGS / "densepose-rcnn_r50_fpn_s1x_dp-coco.py"
    target = tmp_path / "ours.pth"
    with pytest.raises(SystemExit, match=r"fpn_lateral2.*with other widths$") as error:
        convert_detectron2.main(
            [str(_pickle(tmp_path, weights)), str(target), "--config", str(config)]
        )
    assert "\n" not in str(error.value)
    assert not target.exists()


def test_other_normalisation_than_that_of_the_config_is_refused(tmp_path, weights):
    rgb = np.float32([123.675, 116.280, 103.530]).reshape(3, 1, 1)
    source = _pickle(tmp_path, weights | {"pixel_mean": rgb})
    with pytest.raises(SystemExit, match=r"pixel_mean is \[123"):
        convert_detectron2.main([str(source), str(tmp_path / "ours.pth")])


def test_structure_without_a_config_is_converted_and_said_to_be_unchecked(
    tmp_path, weights, capsys, monkeypatch
):
    monkeypatch.setattr(convert_detectron2, "CONFIGS", tmp_path)
    source, target = _pickle(tmp_path, weights), tmp_path / "ours.pth"
    convert_detectron2.main([str(source), str(target)])
    assert "not checked against a model" in capsys.readouterr().out
    assert target.is_file()
    with pytest.raises(SystemExit, match="no config to write"):
        convert_detectron2.main([str(source), str(target), "--out-config", str(tmp_path / "c.py")])


def test_names_can_be_left_out_on_request(tmp_path, weights, capsys):
    source = _pickle(tmp_path, weights | {"roi_heads.mask_head.x": np.zeros(1)})
    target = str(tmp_path / "ours.pth")
    with pytest.raises(SystemExit, match=r"mask_head\.x.*--drop"):
        convert_detectron2.main([str(source), target])
    convert_detectron2.main([str(source), target, "--drop", "mask_head.*"])
    assert "left out on request" in capsys.readouterr().out


def test_missing_file_is_one_line(tmp_path):
    with pytest.raises(SystemExit, match="convert_detectron2: checkpoint not found"):
        convert_detectron2.main([str(tmp_path / "no.pkl"), str(tmp_path / "ours.pth")])
