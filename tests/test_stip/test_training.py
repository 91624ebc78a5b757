"""STIP trained as users do it: resuming, mixed precision, two processes, real images."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from tests.command_line import run_script
from tests.processes import run_script_in_ranks
from tests.test_stip.tiny_crowd import write_crowd
from tests.training_logs import logged

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/stip/stip_hrnet-w16n_cpu_synthcrowd-128x96.py"
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crowd")
    write_crowd(folder, images=4)
    return folder


def options(crowd):
    """Overrides that point the config at the tiny crowd: 8 persons, 2 iterations per epoch."""
    found = {"train_dataloader.batch_size": 4, "default_hooks.logger.interval": 1}
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        found[f"{loader}.dataset.data_root"] = ""
        found[f"{loader}.dataset.ann_file"] = str(crowd / "crowd.json")
        found[f"{loader}.dataset.data_prefix.img"] = str(crowd / "images")
    for evaluator in ("val_evaluator", "test_evaluator"):
        found[f"{evaluator}.ann_file"] = str(crowd / "crowd.json")
    return found


def train(crowd, work_dir, epochs, *, resume=False, config=CONFIG, **extra):
    """Train in this process; the losses of every iteration that ran, and the runner."""
    cfg = Config.fromfile(str(config))
    cfg.merge_from_dict({**options(crowd), **extra})
    cfg.work_dir, cfg.resume, cfg.log_level = str(work_dir), resume, "ERROR"
    cfg.experiment_name = cfg.visualizer.name = f"{work_dir.name}_{epochs}_{resume}"
    cfg.train_cfg.max_epochs = epochs
    cfg.default_hooks.checkpoint.interval = 1
    cfg.log_processor.window_size = 1
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    runner = Runner.from_cfg(cfg)
    before = len(logged(work_dir))
    runner.train()
    return logged(work_dir)[before:], runner


def test_resumed_run_repeats_the_uninterrupted_one(crowd, tmp_path):
    whole, one = train(crowd, tmp_path / "whole", 2)
    train(crowd, tmp_path / "parts", 1)
    rest, other = train(crowd, tmp_path / "parts", 2, resume=True)
    assert [line["step"] for line in rest] == [3, 4]
    for before, after in zip(whole[2:], rest, strict=True):
        assert after["loss"] == before["loss"]
    for (name, a), b in zip(
        one.model.state_dict().items(), other.model.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("arm", ["td-hm", "stip-sat", "stip-iap"])
def test_other_arms_of_the_ablation_train_and_are_scored(arm, crowd, tmp_path):
    config = CONFIG.with_name(CONFIG.name.replace("stip_", f"{arm}_"))
    lines, runner = train(crowd, tmp_path / arm, 1, config=config)
    assert all(0 < line["loss"] < 1 for line in lines)
    metrics = runner.test()
    assert 0 <= metrics["crowdpose/oks/AP"] <= 1


@pytest.mark.cuda
def test_float16_training_on_cuda(crowd, tmp_path):
    half = {"optim_wrapper.type": "AmpOptimWrapper", "optim_wrapper.dtype": "float16"}
    dtypes = []

    def note(_module, _inputs, output):
        dtypes.append(output.dtype)

    with pytest.MonkeyPatch.context() as patch:
        build = Runner.build_model

        def build_and_listen(runner, model):
            built = build(runner, model)
            built.head.final_layer.register_forward_hook(note)
            return built

        patch.setattr(Runner, "build_model", build_and_listen)
        lines, runner = train(crowd, tmp_path / "half", 1, **half)
    exact, _ = train(crowd, tmp_path / "exact", 1)
    assert next(runner.model.parameters()).is_cuda
    assert dtypes == [torch.float16, torch.float16]
    assert [line["step"] for line in lines] == [1, 2]
    terms = {key for key in lines[0] if key.startswith("loss")}
    assert {"loss_final", "loss_initial", "loss_kernel", "loss_spatial", "loss_mask"} < terms
    for line in lines:
        assert all(0 < line[key] < 1 for key in terms)  # false for nan as well
    # Float16 keeps eleven bits; the network before the first step is the same.
    assert lines[0]["loss"] == pytest.approx(exact[0]["loss"], rel=0.02)
    assert all(torch.isfinite(value).all() for value in runner.model.state_dict().values())


def script(crowd, work_dir, *extra, config=CONFIG):
    """Arguments of tools/train.py for two iterations."""
    merged = [f"{key}={value}" for key, value in options(crowd).items()]
    arguments = [str(config), "--work-dir", str(work_dir), "--no-validate", *extra]
    return [*arguments, "--cfg-options", "train_cfg.max_epochs=1", *merged]


@pytest.mark.slow
def test_bfloat16_training_and_testing_with_the_stock_scripts(crowd, tmp_path, monkeypatch):
    # By its usual name mmengine would find the visualizer of an earlier run, and its folder.
    command = [*script(crowd, tmp_path, "--amp", "bfloat16"), "visualizer.name=bfloat16"]
    monkeypatch.setattr(sys, "argv", ["train.py", *command])
    run_script(ROOT / "tools/train.py")
    text = next(tmp_path.glob("*/vis_data/scalars.json")).read_text()
    assert all(0 < json.loads(line)["loss"] < 1 for line in text.splitlines())
    merged = [f"{key}={value}" for key, value in options(crowd).items()]
    command = [str(CONFIG), str(tmp_path / "epoch_1.pth"), "--work-dir", str(tmp_path / "test")]
    monkeypatch.setattr(sys, "argv", ["test.py", *command, "--cfg-options", *merged])
    run_script(ROOT / "tools/test.py")
    (scores,) = (tmp_path / "test").glob("*/*.json")
    assert 0 <= json.loads(scores.read_text())["crowdpose/oks/AP"] <= 1


@pytest.mark.slow
@pytest.mark.multiprocess
def test_two_processes_over_gloo_end_with_equal_weights(crowd, tmp_path):
    cfg = Config.fromfile(str(CONFIG))
    cfg.custom_imports.imports.append("tests.test_stip.rank_weights_hook")
    cfg.custom_hooks.append({"type": "RankWeightsHook", "out_dir": str(tmp_path)})
    config = tmp_path / "with_hook.py"
    cfg.dump(config)
    arguments = script(crowd, tmp_path / "work", "--launcher", "pytorch", config=config)
    run_script_in_ranks(ROOT / "tools/train.py", arguments)
    one, two = (torch.load(tmp_path / f"rank_{k}.pt", weights_only=True) for k in range(2))
    # Eight persons over two processes in batches of four: one iteration each, of other persons.
    assert sorted(one["persons"] + two["persons"]) == list(range(1, 9))
    assert len(one["persons"]) == len(two["persons"]) == 4
    moved = 0
    for name, value in one["after"].items():
        assert torch.isfinite(value).all(), name
        assert torch.equal(one["before"][name], two["before"][name]), name
        assert torch.equal(value, two["after"][name]), name
        moved += not torch.equal(value, one["before"][name])
    trained = [name for name in one["after"] if "num_batches" not in name]
    # Equal because the gradients were averaged, not because nothing was learnt.
    assert moved > 0.9 * len(trained)
    saved = torch.load(tmp_path / "work/epoch_1.pth", weights_only=False)["state_dict"]
    for name, value in saved.items():
        assert torch.equal(value, one["after"][name]), name


@pytest.mark.slow
@pytest.mark.skipif("MMKTN_REAL_DATA" not in os.environ, reason="real images are not part of mmktn")
@pytest.mark.parametrize("name", ["crowdpose", "coco"])
def test_real_images_are_overfitted_to_ap_090(name, tmp_path):
    command = [sys.executable, str(ROOT / "projects/ablations/stip_overfit.py"), name]
    command += ["--work-dir", str(tmp_path)]
    done = subprocess.run(
        command, check=True, env=ENV, timeout=3000, capture_output=True, text=True
    )
    score = float(done.stdout.split("OKS AP on the training images: ")[1].split(";")[0])
    assert score >= 0.9
    assert list((tmp_path / "pictures").glob("*_maps_*.png"))
