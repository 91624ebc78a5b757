import pickle

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from torch import nn

from mmktn.apis.model_loading import (
    _without_pretrained,
    fit_weights,
    load_config,
    load_model,
    read_checkpoint,
)


def _net(width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def test_mmengine_checkpoints_load_without_running_pickled_code(tmp_path):
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    history.update(np.float64(3.0))
    state = {"state_dict": _net().state_dict(), "message_hub": {"loss": history}, "meta": {"e": 1}}
    torch.save(state, tmp_path / "a.pth")
    content = read_checkpoint(tmp_path / "a.pth")
    assert content["meta"] == {"e": 1}
    assert content["message_hub"]["loss"].mean() == pytest.approx(2.0)


def test_bare_state_dicts_are_taken(tmp_path):
    torch.save(_net().state_dict(), tmp_path / "a.pth")
    assert "0.weight" in read_checkpoint(tmp_path / "a.pth")["state_dict"]


class _Danger:
    ran = False

    def __reduce__(self):
        return (setattr, (_Danger, "ran", True))


def test_pickled_code_is_refused(tmp_path):
    torch.save({"state_dict": {}, "meta": _Danger()}, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match=r"bad\.pth: not a readable checkpoint .*which is not run"):
        read_checkpoint(tmp_path / "bad.pth")
    assert not _Danger.ran


def test_unreadable_checkpoints_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"checkpoint not found: .*none\.pth"):
        read_checkpoint(tmp_path / "none.pth")
    torch.save({"state_dict": _net().state_dict()}, tmp_path / "whole.pth")
    data = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "half.pth").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"half\.pth: not a readable checkpoint"):
        read_checkpoint(tmp_path / "half.pth")
    (tmp_path / "empty.pth").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty\.pth: not a readable checkpoint"):
        read_checkpoint(tmp_path / "empty.pth")


def test_detectron_pickles_point_to_the_converter(tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"model": {"w": np.zeros(2)}}))
    with pytest.raises(ValueError, match=r"model\.pkl: .*python -m mmktn convert"):
        read_checkpoint(tmp_path / "model.pkl")


@pytest.mark.parametrize("content", [b"no checkpoint", b"(a", b"\x80\x02X\x02\0\0\0\xff\xff", b"."])
def test_garbage_is_named(content, tmp_path):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.pth: not a readable checkpoint"):
        read_checkpoint(tmp_path / "a.pth")


def test_files_of_detectron2_point_to_the_converter(tmp_path):
    torch.save({"model": {"a": torch.zeros(1)}, "iteration": 3}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"it has: model, iteration; .*python -m mmktn convert"):
        read_checkpoint(tmp_path / "a.pth")


def test_files_without_weights_list_what_they_hold(tmp_path):
    torch.save({"optimizer": {}, "epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="no 'state_dict' in the checkpoint; it has: optimizer"):
        read_checkpoint(tmp_path / "a.pth")
    torch.save([1], tmp_path / "b.pth")
    with pytest.raises(ValueError, match=r"b\.pth: holds a list"):
        read_checkpoint(tmp_path / "b.pth")


def test_weights_are_loaded_and_the_parallel_prefix_is_dropped():
    source, target = _net(), _net()
    state = {f"module.{key}": value for key, value in source.state_dict().items()}
    fit_weights(target, state, source="a.pth")
    assert torch.equal(source[0].weight, target[0].weight)


def test_first_missing_weight_is_named():
    state = _net().state_dict()
    del state["1.weight"], state["1.bias"]
    with pytest.raises(ValueError, match=r"a\.pth: .* 1\.weight is missing \(2 missing, 0 unknown"):
        fit_weights(_net(), state, source="a.pth")


def test_first_weight_of_another_shape_is_named_with_both_shapes():
    with pytest.raises(ValueError, match=r"0\.weight has shape .*\[4, 2\].* model .*\[3, 2\]"):
        fit_weights(_net(3), _net(4).state_dict(), source="a.pth")


def test_official_names_point_to_the_converter():
    state = {"backbone.bottom_up.stem.conv1.weight": torch.zeros(1)}
    with pytest.raises(ValueError, match="names of detectron2: convert the file"):
        fit_weights(_net(), state, source="a.pth")


@pytest.mark.parametrize("prefix", ["", "module."])
def test_official_stip_names_point_to_their_converter(prefix):
    names = ("conv1.weight", "stage2.0.branches.0.0.conv1.weight", "final_layer.weight")
    state = {prefix + name: torch.zeros(1) for name in names}
    with pytest.raises(
        ValueError,
        match=r"names of an official STIP or HRNet checkpoint: .*python -m mmktn convert-stip",
    ):
        fit_weights(_net(), state, source="a.pth")


def test_converted_stip_names_do_not_point_to_the_converter():
    names = ("conv1.weight", "stage2.0.branches.0.0.conv1.weight")
    state = {f"backbone.{name}": torch.zeros(1) for name in names}
    with pytest.raises(
        ValueError, match=r"first weight is backbone\.conv1\.weight: is it of another"
    ):
        fit_weights(_net(), state, source="a.pth")


def test_folded_weights_point_to_the_switch():
    model = nn.ModuleDict({"machine": nn.Linear(1, 1), "kernel": nn.Linear(1, 1)})
    outer = nn.ModuleDict({"predictor": model})
    folded = {k: v for k, v in outer.state_dict().items() if "machine" not in k}
    with pytest.raises(ValueError, match=r"is it folded .*predictor\.folded=True"):
        fit_weights(outer, folded, source="a.pth")


def test_module_versions_travel_with_the_weights():
    class Versioned(nn.Linear):
        _version = 2

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
            self.seen = local_metadata.get("version")
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    target = Versioned(1, 1)
    fit_weights(target, Versioned(1, 1).state_dict(), source="a.pth")
    assert target.seen == 2


def test_unused_weights_are_no_error():
    state = {**_net().state_dict(), "extra.weight": torch.zeros(1)}
    fit_weights(_net(), state, source="a.pth")


def test_missing_config_offers_its_neighbours(tmp_path):
    (tmp_path / "ktn2_small.py").write_text("model = dict()")
    with pytest.raises(FileNotFoundError, match=r"ktn2_smal\.py; similar: .*ktn2_small\.py"):
        load_config(tmp_path / "ktn2_smal.py")


def test_swapped_arguments_are_noticed(tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"")
    with pytest.raises(ValueError, match=r"is not a config .* swapped"):
        load_config(tmp_path / "weights.pth")


def test_config_without_model_is_named(tmp_path):
    (tmp_path / "base.py").write_text("a = 1")
    with pytest.raises(ValueError, match=r"base\.py: the config has no 'model'"):
        load_config(tmp_path / "base.py")


def test_nothing_is_downloaded():
    cfg = {
        "backbone": {"type": "R", "init_cfg": {"type": "Pretrained", "checkpoint": "http://x"}},
        "heads": [{"init_cfg": {"type": "Normal"}}],
    }
    assert _without_pretrained(cfg) == {
        "backbone": {"type": "R", "init_cfg": None},
        "heads": [{"init_cfg": {"type": "Normal"}}],
    }
    assert cfg["backbone"]["init_cfg"]["type"] == "Pretrained"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_without_a_gpu_is_one_clear_message():
    cfg = Config({"model": {}})
    with pytest.raises(ValueError, match=r"device 'cuda:0': PyTorch .* sees no GPU; use 'cpu'"):
        load_model(cfg, device="cuda:0")
