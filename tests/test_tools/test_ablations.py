"""The ablation tools: their arms exist, differ as named, and are reported as they came out."""

import argparse
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope

from mmktn.registry import MODELS
from mmktn.utils.setup_env import register_all_modules
from tests.tool_modules import tool_module

FOLDER = Path(__file__).parents[2] / "projects/ablations"


ALONE = ("mmktn.BodyMaskMetric", "mmktn.PartSegmentationMetric", "mmktn.OKSMetric")
densepose = tool_module("projects/ablations/densepose_ablation.py")
report = tool_module("projects/ablations/ablation_report.py")


def options(**changes) -> argparse.Namespace:
    values = {"iterations": 20, "batch_size": None, "data_root": "data/x", "arms": None}
    return argparse.Namespace(**{**values, "groups": list(densepose.GROUPS), **changes})


def test_spread_is_mean_and_sample_deviation():
    assert report.spread([]) == "-"
    assert report.spread([2.0]) == "2.0"
    assert report.spread([1.0, 2.0, 3.0]) == "2.0 +- 1.0"


@pytest.mark.parametrize("arm", densepose.ARMS)
def test_arms_share_data_length_and_learning_rate(arm, tmp_path):
    cfg = densepose.arm_config(densepose.ARMS[arm], 7, options(), str(tmp_path))
    assert cfg.randomness.seed == 7
    assert cfg.train_cfg.max_iters == cfg.param_scheduler[1].end == 20
    assert cfg.train_dataloader.dataset.data_root == "data/x/"
    metrics = [evaluator.type for evaluator in cfg.test_evaluator]
    main = {*densepose.POINTWISE.values(), *ALONE}
    assert len([name for name in metrics if name in main]) == 1  # each arm has one main figure
    assert {e.ann_file for e in cfg.test_evaluator} == {"data/x/annotations/densepose_val.json"}
    assert (cfg.optim_wrapper.optimizer.type, cfg.optim_wrapper.optimizer.lr) == ("AdamW", 2e-3)


@pytest.mark.parametrize("arm", [*densepose.GROUPS["components"], *densepose.GROUPS["forms"]])
def test_components_predict_maps_of_the_same_size(arm, tmp_path):
    head = densepose.arm_config(densepose.ARMS[arm], 0, options(), str(tmp_path)).model.roi_head
    assert head.densepose_head.predictor.upscale == 1
    assert head.densepose_roi_extractor.roi_layer.output_size == 14


@pytest.mark.parametrize("arm", [name for name, arm in densepose.ARMS.items() if arm.options])
def test_options_of_an_arm_are_arguments_of_its_parts(arm, tmp_path):
    register_all_modules(init_default_scope=False)
    cfg = densepose.arm_config(densepose.ARMS[arm], 0, options(), str(tmp_path))
    for key, value in densepose.ARMS[arm].options.items():
        part = cfg
        for name in key.split("."):
            part = part[name]
        assert part == value
    init_default_scope("mmdet")
    with torch.device("meta"):
        MODELS.build(cfg.model)  # an argument that a part does not know ends here


@pytest.mark.parametrize("arm", densepose.ARMS)
def test_an_arm_is_compared_with_a_known_one(arm):
    base = densepose.ARMS[arm].base
    assert base is None or base in densepose.ARMS
    if "+ KTM" in arm and not arm.startswith("+"):
        assert base == arm.removesuffix("v1").removesuffix(" + KTM")


def test_gains_are_paired_by_seed(capsys):
    def run(arm, seed, auc):
        metrics = {**dict.fromkeys(densepose.COLUMNS.values(), 0.5), "pointwise/AUC30": auc}
        return {
            "arm": arm,
            "seed": seed,
            "iterations": 20,
            "parameters": 2_000_000,
            "train_cpu_seconds": 4.0,
            "train_peak_mb": 100,
            "metrics": metrics,
        }

    runs = [run("HRNet", 0, 0.30), run("HRNet", 1, 0.40)]
    runs += [run("HRNet + KTM", 0, 0.31), run("HRNet + KTM", 1, 0.43)]
    densepose.show(runs, options(arms=["HRNet", "HRNet + KTM"], plot=None))
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "HRNet + KTM" in line)
    assert "2.0 +- 1.4" in row
    assert "200" in row  # milliseconds per iteration


def test_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    report.draw_arms(tmp_path / "a.png", "title", {"one": [1.0, 2.0], "two": [3.0]}, label="AP")
    assert (tmp_path / "a.png").stat().st_size > 2000
