"""`tools/test.py` refuses files that do not hold the model's weights, and takes those that do."""

import re
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModel, BaseTTAModel
from torch import nn

from mmktn.apis import test_command as test_tool
from tests.command_line import refused
from tests.loopback import serve

ROOT = Path(__file__).parents[2]
SMOKE = str(ROOT / "configs/densepose/smoke/densepose-rcnn_r18_fpn_smoke_dp-synth.py")
POSE = str(ROOT / "configs/stip/td-hm_hrnet-w16n_cpu_synthcrowd-128x96.py")


class _Model(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, inputs, data_samples=None, mode="tensor"):
        return self.layer(inputs)


class _Augmented(BaseTTAModel):
    def merge_preds(self, data_samples_list):
        return data_samples_list


class _Parallel(nn.parallel.DistributedDataParallel):
    """Looks like the wrapper of distributed tests; no process group has to exist."""

    def __init__(self, module: nn.Module) -> None:
        nn.Module.__init__(self)
        self.module = module


@pytest.mark.parametrize("wrap", [lambda m: m, _Augmented, _Parallel])
def test_weights_reach_the_model_inside_its_wrappers(wrap, tmp_path):
    source, target = _Model(), _Model()
    torch.save({"state_dict": source.state_dict()}, tmp_path / "a.pth")
    test_tool.check_checkpoint(wrap(target), str(tmp_path / "a.pth"))
    assert torch.equal(source.layer.weight, target.layer.weight)


def test_addresses_are_checked_as_files_are(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKTN_HOME", str(tmp_path))
    source, target = _Model(), _Model()
    torch.save({"state_dict": source.state_dict()}, tmp_path / "a.pth")
    with serve() as server:
        server.files["/a.pth"] = (tmp_path / "a.pth").read_bytes()
        test_tool.check_checkpoint(target, f"{server.address}/a.pth")
        assert torch.equal(source.layer.weight, target.layer.weight)
        with pytest.raises(ValueError, match="the server answers 404"):
            test_tool.check_checkpoint(target, f"{server.address}/b.pth")


def test_a_wrong_name_offers_similar_ones(tmp_path):
    arguments = [SMOKE, "densepose-rcnn_r50", "--work-dir", tmp_path]
    refused(test_tool.main, arguments, "no model is named .* similar: densepose-rcnn_r50_fpn_s1x")
    refused(test_tool.main, [SMOKE, "none.pth", "--work-dir", tmp_path], "no checkpoint at none")


@pytest.mark.parametrize("config", [SMOKE, POSE])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"foo.weight": torch.zeros(2)}, r"bad\.pth: does not fit the config's model"),
        ({"model": {"a": torch.zeros(2)}}, r"python -m mmktn convert"),
        (b"no checkpoint at all", r"bad\.pth: not a readable checkpoint"),
    ],
)
def test_wrong_checkpoint_ends_the_tool_before_data_are_read(
    config, content, message, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "bad.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    arguments = [config, str(path), "--work-dir", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["test.py", *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "tools/test.py"), run_name="__main__")
    assert stop.value.code == 1
    assert re.search(message, capsys.readouterr().err.splitlines()[-1])
