"""Tools of STIP: converter, ablation, benchmark."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from mmktn.registry import MODELS
from tests.command_line import refused
from tests.test_stip.test_checkpoint_keys import hrnet_pose
from tests.test_stip.tiny_crowd import write_crowd

ROOT = Path(__file__).parents[2]


def run_tool(name, *arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    monkeypatch.syspath_prepend(str((ROOT / name).parent))
    return runpy.run_path(str(ROOT / name), run_name="__main__")


def ablate(*arguments, monkeypatch):
    """Run the ablation, which must end with status 0."""
    with pytest.raises(SystemExit) as ended:
        run_tool("projects/ablations/stip_ablation.py", *arguments, monkeypatch=monkeypatch)
    assert ended.value.code == 0


def convert_stip(monkeypatch):
    """`main(argv) -> status` of the converter."""

    def main(arguments):
        with pytest.raises(SystemExit) as ended:
            run_tool("tools/model_converters/convert_stip.py", *arguments, monkeypatch=monkeypatch)
        return ended.value.code

    return main


def small_config(tmp_path, keypoints=14):
    """Baseline config whose HRNet is as small as that of `hrnet_pose`."""
    from tests.test_stip.small_models import small_extra

    path = tmp_path / "small.py"
    base = ROOT / "configs/stip/td-hm_hrnet-w16n_cpu_synthcrowd-128x96.py"
    head = {"in_channels": 8, "out_channels": keypoints}
    model = {"backbone": {"extra": small_extra()}, "head": head}
    path.write_text(f"_base_ = [{str(base)!r}]\nmodel = {model!r}\n")
    return path


def test_converted_checkpoint_loads_into_the_model_of_its_config(tmp_path, monkeypatch, capsys):
    source, target = tmp_path / "official.pth", tmp_path / "out" / "ours.pth"
    torch.save({"state_dict": hrnet_pose()}, source)
    config = small_config(tmp_path)
    assert convert_stip(monkeypatch)([source, target, "--config", config]) == 0
    assert "hrnet-pose: HRNet-W8, 14 keypoints" in capsys.readouterr().out
    from mmengine.config import Config

    model = MODELS.build(Config.fromfile(str(config)).model)
    state = torch.load(target, weights_only=True)["state_dict"]
    model.load_state_dict(state, strict=True)
    weight = hrnet_pose()["final_layer.weight"]
    torch.testing.assert_close(model.head.final_layer.weight.data, weight)


def test_checkpoint_of_another_config_is_named(tmp_path, monkeypatch):
    source = tmp_path / "official.pth"
    torch.save(hrnet_pose(), source)
    config = small_config(tmp_path, keypoints=17)
    refused(
        convert_stip(monkeypatch),
        [source, tmp_path / "o.pth", "--config", config],
        r"convert-stip: .*head\.final_layer.*14 keypoints",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"checkpoint not found: .*in\.pth"),
        (b"garbage", r"in\.pth: not a readable checkpoint"),
        ({"foo.weight": torch.zeros(2)}, "not an official HRNet or STIP checkpoint"),
        ({"state_dict": {}}, "holds no state dict"),
    ],
)
def test_unusable_files_end_the_converter_with_one_line(content, message, tmp_path, monkeypatch):
    source, target = tmp_path / "in.pth", tmp_path / "out.pth"
    if isinstance(content, bytes):
        source.write_bytes(content)
    elif content is not None:
        torch.save(content, source)
    line = refused(convert_stip(monkeypatch), [source, target], message)
    assert line.startswith("convert-stip: ")
    assert not target.exists()


def test_file_that_is_no_state_dict_is_named(tmp_path, monkeypatch):
    source = tmp_path / "official.pth"
    torch.save({"epoch": 3}, source)
    refused(convert_stip(monkeypatch), [source, tmp_path / "o.pth"], "entry 'epoch' is no tensor")


def test_ablation_keeps_finished_runs_and_prints_the_spread(tmp_path, monkeypatch, capsys):
    write_crowd(tmp_path / "train", images=8)
    write_crowd(tmp_path / "val", images=3, seed=1)
    (tmp_path / "annotations").mkdir()
    for split in ("train", "val"):
        (tmp_path / split / "crowd.json").rename(tmp_path / f"annotations/crowdpose_{split}.json")
        for image in (tmp_path / split / "images").iterdir():
            image.rename(tmp_path / split / image.name)
    out = tmp_path / "results.json"
    arguments = ["--data-root", tmp_path, "--epochs", 1, "--work-dir", tmp_path / "work"]
    arguments += ["--out", out, "--arms", "baseline", "--seeds", "0"]
    ablate(*arguments, monkeypatch=monkeypatch)
    first = json.loads(out.read_text())["results"]
    assert [entry["arm"] for entry in first] == ["baseline", "baseline-refined"]
    assert 0 <= first[0]["metrics"]["crowdpose/recall@0.1"] <= 1
    ablate(*arguments, "1", monkeypatch=monkeypatch)
    second = json.loads(out.read_text())["results"]
    assert second[:2] == first
    assert [entry["seed"] for entry in second] == [0, 0, 1, 1]
    assert "+-" in capsys.readouterr().out


def test_benchmark_variants_compute_the_same(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "projects/benchmark"))
    bench = runpy.run_path(str(ROOT / "projects/benchmark/bench_stip.py"))
    job = {"size": [64, 64], "batch": 2, "width": 8, "keypoints": 5, "repeats": 1, "device": "cpu"}
    for mode in bench["MODES"]:
        for name in bench["VARIANTS"]:
            result = bench["measure"]({**job, "name": name, "mode": mode})
            assert result["largest_difference"] < 1e-5, (name, mode)
            assert result["head_peak_mb"] > 0
