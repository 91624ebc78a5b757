"""Training as users start it: resuming, several processes, the command line."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from tests.command_line import run_script
from tests.fake_annotations import write_fake_dataset
from tests.loopback import free_port
from tests.processes import run_ranks
from tests.test_tools import first_losses
from tests.training_logs import logged

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "configs/densepose/smoke/ktn2_r18_fpn_smoke_dp-synth.py"
TOPDOWN = ROOT / "configs/topdown/densepose-td_r18_cpu_dp-synth.py"
ENV = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fake")
    write_fake_dataset(folder, num_images=4, persons=2, image_hw=(96, 128))
    return folder


def data_options(folder: Path) -> dict[str, str]:
    return {
        "train_dataloader.dataset.data_root": str(folder),
        "train_dataloader.dataset.ann_file": "annotations.json",
        "train_dataloader.dataset.data_prefix.img": "images/",
    }


def train(
    folder: Path, work_dir: Path, max_iters: int, *, resume: bool, **loader: object
) -> list[dict]:
    """Train in this process; losses of every iteration that ran."""
    cfg = Config.fromfile(str(SMOKE))
    cfg.merge_from_dict(data_options(folder))
    cfg.work_dir, cfg.resume, cfg.log_level = str(work_dir), resume, "ERROR"
    cfg.experiment_name = cfg.visualizer.name = (
        f"{work_dir.parent.name}{work_dir.name}_{max_iters}_{resume}"
    )
    cfg.train_cfg.max_iters = max_iters
    cfg.train_dataloader.update(loader)
    cfg.log_processor.window_size = 1
    cfg.default_hooks.checkpoint.interval = 3
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    runner = Runner.from_cfg(cfg)
    before = len(logged(work_dir))
    runner.train()
    return logged(work_dir)[before:]


@pytest.fixture(scope="module")
def uninterrupted(data_folder, tmp_path_factory) -> tuple[list[dict], Path]:
    """Losses and work folder of six iterations."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return train(data_folder, folder, 6, resume=False), folder


@pytest.mark.slow
@pytest.mark.parametrize("loader", [{"num_workers": 0}, {"num_workers": 2}])
def test_resumed_run_repeats_the_uninterrupted_one(data_folder, uninterrupted, tmp_path, loader):
    whole, folder = uninterrupted
    # What a kill leaves behind: the last checkpoint.
    train(data_folder, tmp_path / "parts", 3, resume=False, **loader)
    rest = train(data_folder, tmp_path / "parts", 6, resume=True, **loader)
    ends = [
        torch.load(place / "iter_6.pth", weights_only=False)["state_dict"]
        for place in (folder, tmp_path / "parts")
    ]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])
    assert [line["step"] for line in rest] == [4, 5, 6]
    for before, after in zip(whole[3:], rest, strict=True):
        for key in ("loss", "loss_rpn_cls", "loss_cls", "loss_fine_segm", "loss_u", "grad_norm"):
            assert after[key] == pytest.approx(before[key], rel=1e-5), key


@pytest.mark.slow
@pytest.mark.multiprocess
def test_two_processes_give_the_losses_of_one_with_the_same_total_batch(data_folder, tmp_path):
    outs = [tmp_path / "one.json", tmp_path / "two.json"]
    first_losses.main(str(SMOKE), str(data_folder), str(outs[0]), "2", "none")
    run_ranks(first_losses.main, str(SMOKE), str(data_folder), str(outs[1]), "1", "pytorch")
    one, two = (json.loads(out.read_text()) for out in outs)
    # The second and third step also see the averaged gradients of the ones before.
    for first, second in zip(one, two, strict=True):
        for key in first:
            if "loss" in key:
                assert second[key] == pytest.approx(first[key], rel=1e-3, abs=1e-5), key


@pytest.mark.slow
@pytest.mark.multiprocess
def test_dist_train_script_runs_over_gloo(data_folder, tmp_path):
    """One process, whose import takes 20 s; two are trained above and in tests/test_stip."""
    options = [f"{key}={value}" for key, value in data_options(data_folder).items()]
    command = ["bash", str(ROOT / "tools/dist_train.sh"), str(SMOKE), "1", "--no-validate"]
    command += ["--work-dir", str(tmp_path), "--cfg-options", "train_cfg.max_iters=1", *options]
    env = dict(ENV, PORT=str(free_port()), PYTHON=sys.executable)
    subprocess.run(command, check=True, env=env, timeout=300)
    assert (tmp_path / "iter_1.pth").is_file()


@pytest.mark.slow
def test_train_script_with_bfloat16_on_the_cpu(data_folder, tmp_path, monkeypatch):
    options = [f"{key}={value}" for key, value in data_options(data_folder).items()]
    command = ["train.py", str(SMOKE), "--no-validate", "--amp", "--work-dir", str(tmp_path)]
    # By this name mmengine would find the visualizer of an earlier run, and its folder.
    command += ["--cfg-options", "train_cfg.max_iters=1", "visualizer.name=bfloat16", *options]
    monkeypatch.setattr(sys, "argv", command)
    run_script(ROOT / "tools/train.py")
    lines = next(tmp_path.glob("*/vis_data/scalars.json")).read_text().splitlines()
    assert all(0 < json.loads(line)["loss"] < 100 for line in lines)


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("train.py", ["missing.py"], "missing.py"),
        ("train.py", [str(SMOKE), "--resume", "none.pth"], "none.pth"),
        ("test.py", [str(SMOKE), "none.pth"], "none.pth"),
        ("test.py", [str(TOPDOWN), str(TOPDOWN), "--tta"], "tta_model"),
    ],
)
def test_wrong_arguments_are_named(script, arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "tools" / script), run_name="__main__")
    assert stop.value.code == 1
    assert message in capsys.readouterr().err.splitlines()[-1]
