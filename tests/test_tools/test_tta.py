"""`tools/test.py --tta`, as users start it."""

import json
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmktn.apis import test_command
from mmktn.registry import MODELS
from mmktn.utils.setup_env import register_all_modules
from mmktn.utils.user_error import UserError
from tests.command_line import run_script
from tests.fake_annotations import write_fake_dataset

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/densepose/smoke/densepose-rcnn_r18_fpn_smoke_dp-synth.py"


@pytest.mark.slow
def test_metrics_are_computed_from_augmented_predictions(tmp_path, monkeypatch):
    write_fake_dataset(tmp_path / "data", num_images=2, persons=2, image_hw=(96, 128))
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")
    model = MODELS.build(Config.fromfile(str(CONFIG)).model)
    torch.save(model.state_dict(), tmp_path / "random.pth")
    options = {
        "test_dataloader.dataset.data_root": tmp_path / "data",
        "test_dataloader.dataset.ann_file": "annotations.json",
        "test_dataloader.dataset.data_prefix.img": "images/",
        "test_evaluator.ann_file": tmp_path / "data" / "annotations.json",
        "model.test_cfg.rcnn.score_thr": 0.0,
    }
    arguments = [str(CONFIG), str(tmp_path / "random.pth"), "--tta", "--all-metrics"]
    arguments += ["--work-dir", str(tmp_path / "work"), "--cfg-options"]
    arguments += [f"{key}={value}" for key, value in options.items()]
    monkeypatch.setattr(sys, "argv", ["test.py", *arguments])
    run_script(ROOT / "tools/test.py")
    (scores,) = (tmp_path / "work").glob("*/*.json")
    found = json.loads(scores.read_text())
    for name in ("densepose/gps/AP", "pointwise/AUC10", "body_mask/AP", "coco/bbox_mAP"):
        assert 0 <= found[name] <= 1, name


def test_angles_turn_every_view_before_it_is_packed():
    command = [str(CONFIG), __file__, "--tta"]

    def views(*more):
        args = test_command.parse_args([*command, *more])
        cfg = test_command.merge_args(Config.fromfile(str(CONFIG)), args)
        return cfg.test_dataloader.dataset.pipeline[1].transforms

    plain, turned = views(), views("--tta-angles", "-15", "15")
    assert [[step.type for step in steps] for steps in turned] == [
        ["mmdet.Resize"] * len(plain[0]),
        ["mmdet.RandomFlip"] * 2,
        ["mmktn.TurnView"] * 3,
        ["mmktn.PackDensePoseInputs"],
    ]
    assert [step.angle for step in turned[2]] == [0, -15, 15]
    args = test_command.parse_args([str(CONFIG), __file__, "--tta-angles", "5"])
    with pytest.raises(UserError, match="--tta-angles"):
        test_command.merge_args(Config.fromfile(str(CONFIG)), args)


def test_all_metrics_are_added_once_and_only_to_charts():
    cfg = Config.fromfile(str(ROOT / "configs/cascade/densepose-cascade_r50_fpn_230k_dp-coco.py"))
    test_command.add_metrics(cfg)
    names = [evaluator["type"].split(".")[-1] for evaluator in cfg.test_evaluator]
    assert names == [
        "DensePoseMetric", "PointwiseDensePoseMetric", "BodyMaskMetric", "CocoMetric"
    ]  # fmt: skip
    assert len({evaluator["ann_file"] for evaluator in cfg.test_evaluator}) == 1
    topdown = ROOT / "configs/topdown/densepose-td_r18_cpu_dp-synth.py"
    cfg = Config.fromfile(str(topdown))
    test_command.add_metrics(cfg)
    assert [evaluator["type"] for evaluator in cfg.test_evaluator][1:] == [
        "mmktn.TopdownPointwiseMetric"
    ]
    with pytest.raises(UserError, match="no DensePoseMetric"):
        test_command.add_metrics(
            Config.fromfile(str(ROOT / "configs/tasks/body-seg_r18_fpn_cpu_dp-synth.py"))
        )
