"""`tools/test.py --tta`, as users start it."""

import os
import subprocess
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
def test_metrics_are_computed_from_augmented_predictions(tmp_path):
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
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "tools" / "test.py"), str(CONFIG)),
            *(str(tmp_path / "random.pth"), "--tta", "--work-dir", str(tmp_path / "work")),
            *("--cfg-options", *(f"{key}={value}" for key, value in options.items())),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "densepose/gps/AP" in done.stdout + done.stderr
