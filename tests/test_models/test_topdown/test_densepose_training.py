"""Top-down systems trained as users do it, on two rendered people."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmktn.synthetic.dataset import generate_split
from mmktn.synthetic.sample import GeneratorOptions
from mmktn.synthetic.scene import SceneOptions

CONFIGS = Path(__file__).parents[3] / "configs/topdown"


@pytest.fixture(scope="module")
def two_people(tmp_path_factory):
    """Two images of one person each, no occluders."""
    folder = tmp_path_factory.mktemp("people")
    scene = SceneOptions(size_hw=(128, 96), people=(1, 1), occluder_rate=0.0)
    generate_split(folder, "val", 2, options=GeneratorOptions(seed=1, scene=scene))
    return folder


def runner_of(name, folder, work_dir, iterations):
    """The config's runner on the two people, without augmentation."""
    cfg = Config.fromfile(str(CONFIGS / f"{name}.py"))
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.batch_size = 2
        loader.dataset.data_root = str(folder)
        loader.dataset.ann_file = "annotations/densepose_val.json"
        loader.dataset.data_prefix = {"img": "val/"}
    steps = cfg.train_dataloader.dataset.pipeline
    cfg.train_dataloader.dataset.pipeline = [
        step for step in steps if not step.type.endswith(("Flip", "Jitter"))
    ]
    cfg.val_evaluator.ann_file = str(folder / "annotations/densepose_val.json")
    cfg.val_evaluator.metric = ("gps", "gpsm")
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.train_cfg.max_iters = cfg.train_cfg.val_interval = iterations
    cfg.param_scheduler = [
        {"type": "CosineAnnealingLR", "by_epoch": False, "end": iterations, "eta_min_ratio": 0.02}
    ]
    cfg.optim_wrapper.optimizer = {"type": "Adam", "lr": 6e-3}
    cfg.optim_wrapper.paramwise_cfg = None
    cfg.default_hooks.checkpoint = None
    cfg.work_dir, cfg.log_level, cfg.experiment_name = str(work_dir), "ERROR", f"{name}_overfit"
    cfg.visualizer.name = cfg.experiment_name
    return Runner.from_cfg(cfg)


def test_overfits_two_people(two_people, tmp_path):
    """Both people above GPS 0.9: thresholds .50 to .90 of ten are passed, hence AP 0.9."""
    runner = runner_of("densepose-td_hrnet-w16n_cpu_dp-synth", two_people, tmp_path, 140)
    runner.train()
    scores = runner.message_hub.log_scalars
    assert scores["val/densepose/gps/AP"].current() > 0.89
