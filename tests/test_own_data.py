"""The config for data of one's own: its four lines are all that has to be changed."""

from pathlib import Path

import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, init_default_scope

from mmktn.registry import METRICS
from mmktn.utils.config_path import read_config
from mmktn.utils.setup_env import register_all_modules
from mmktn.utils.user_error import UserError
from tests.fake_annotations import write_fake_dataset

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs/own_data/densepose-rcnn_r50_fpn_own-data.py"
LINES = ("annotations", "images", "surface", "schedule")


def changed(folder: Path) -> str:
    """The config with its four lines changed."""
    mine = {
        "annotations": f'dict(train="{folder}/annotations.json", val="{folder}/annotations.json")',
        "images": f'dict(train="{folder}/images/", val="{folder}/images/")',
        "surface": '"human"',
        "schedule": "dict(iterations=20, images=2, rate=0.001)",
    }
    text = CONFIG.read_text().splitlines()
    names = [line.partition(" = ")[0] for line in text if not line.startswith("#")][:4]
    assert tuple(names) == LINES
    return "\n".join(
        f"{name} = {mine[name]}" if (name := line.partition(" = ")[0]) in mine else line
        for line in text
    )


@pytest.fixture
def linked(tmp_path, monkeypatch):
    """The package is found as mmengine finds an installed one."""
    monkeypatch.setattr("mmengine.config.config.get_installed_path", lambda _: str(tmp_path))
    (tmp_path / ".mim").mkdir()
    (tmp_path / ".mim/configs").symlink_to(ROOT / "configs")
    (tmp_path / ".mim/model-index.yml").symlink_to(ROOT / "model-index.yml")


def test_four_lines_reach_every_part(tmp_path, linked):
    write_fake_dataset(tmp_path, num_images=2, persons=1, image_hw=(96, 128))
    (tmp_path / "mine.py").write_text(changed(tmp_path))
    register_all_modules(init_default_scope=False)
    cfg = read_config(tmp_path / "mine.py")
    assert "densepose_surface" not in cfg.dump()
    assert (cfg.train_cfg.max_iters, cfg.train_dataloader.batch_size) == (20, 2)
    assert cfg.param_scheduler[1].milestones == [15, 18]
    assert cfg.optim_wrapper.optimizer.lr == 0.001
    init_default_scope(cfg.default_scope)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        dataset = DATASETS.build(loader.dataset)
        batch = pseudo_collate([dataset[index] for index in range(2)])
        assert len(batch["inputs"]) == 2
    METRICS.build(cfg.val_evaluator)


def test_another_system_is_another_first_base_and_one_iteration_is_a_schedule(tmp_path, linked):
    text = changed(tmp_path).replace("iterations=20", "iterations=1")
    base = "_base_/models/densepose-rcnn_r50_fpn.py"
    (tmp_path / "mine.py").write_text(text.replace(base, "_base_/models/ktn2_r50_fpn.py"))
    cfg = read_config(tmp_path / "mine.py")
    assert cfg.model.roi_head.densepose_head.predictor.type == "mmktn.KTMv2ChartPredictor"
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval) == (1, 1)
    assert cfg.tta_model.surface == "human"


def test_a_config_above_it_that_sets_a_line_alone_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text(f'_base_ = "{CONFIG}"\nsurface = "human"\n')
    with pytest.raises(UserError, match=r"surface is set.*own-data\.py.*train_pipeline"):
        read_config(tmp_path / "mine.py")
