"""`tools/test.py --tta`, as users start it."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmktn.registry import MODELS
from mmktn.testing import write_fake_dataset
from mmktn.utils.setup_env import register_all_modules

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
    arguments = [str(CONFIG), str(tmp_path / "random.pth"), "--tta"]
    arguments += ["--work-dir", str(tmp_path / "work"), "--cfg-options"]
    arguments += [f"{key}={value}" for key, value in options.items()]
    monkeypatch.setattr(sys, "argv", ["test.py", *arguments])
    runpy.run_path(str(ROOT / "tools/test.py"), run_name="__main__")
    (scores,) = (tmp_path / "work").glob("*/*.json")
    assert 0 <= json.loads(scores.read_text())["densepose/gps/AP"] <= 1
