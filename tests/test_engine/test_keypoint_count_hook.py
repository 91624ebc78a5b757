"""A head of another number of keypoints than the data stops a run before its first batch."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from mmktn.engine import KeypointCountHook
from mmktn.utils.keypoint_count import require_keypoint_count
from tests.test_stip.tiny_crowd import write_crowd

CONFIGS = Path(__file__).parents[2] / "configs/stip"
BASELINE = CONFIGS / "td-hm_hrnet-w16n_cpu_synthcrowd-128x96.py"
STIP = CONFIGS / "stip_hrnet-w16n_cpu_synthcrowd-128x96.py"


@pytest.fixture(scope="module")
def crowds(tmp_path_factory):
    """The same crowd with 14 and with 17 keypoints."""
    found = {}
    for keypoints in (14, 17):
        found[keypoints] = tmp_path_factory.mktemp(f"crowd{keypoints}")
        write_crowd(found[keypoints], images=2, keypoints=keypoints)
    return found


def runner_of(config, crowds, work_dir, **options):
    cfg = Config.fromfile(str(config))
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        dataset = cfg[loader].dataset
        dataset.data_root, dataset.ann_file = "", str(crowds[14] / "crowd.json")
        dataset.data_prefix = {"img": str(crowds[14] / "images")}
    for evaluator in ("val_evaluator", "test_evaluator"):
        cfg[evaluator].ann_file = str(crowds[14] / "crowd.json")
    cfg.merge_from_dict({"train_dataloader.batch_size": 2, **options})
    cfg.work_dir, cfg.log_level = str(work_dir), "ERROR"
    cfg.experiment_name = cfg.visualizer.name = str(work_dir.name)
    return Runner.from_cfg(cfg)


@pytest.mark.parametrize("config", [BASELINE, STIP], ids=["HeatmapHead", "STIPHead"])
@pytest.mark.parametrize("step", ["train", "val", "test"])
def test_head_of_17_on_data_of_14_is_one_message(config, step, crowds, tmp_path):
    runner = runner_of(config, crowds, tmp_path, **{"model.head.out_channels": 17})
    with pytest.raises(ValueError, match="14 keypoints") as error:
        getattr(runner, step)()
    assert str(error.value) == (
        "crowdpose has 14 keypoints but the head has out_channels=17 (config keys "
        f"{step}_dataloader.dataset and model.head.out_channels); use the config of that dataset "
        "or set model.head.out_channels=14"
    )
    assert runner.iter == 0


def test_wrong_validation_set_is_found_before_training(crowds, tmp_path):
    options = {
        "val_dataloader.dataset.type": "mmktn.CheckedCocoDataset",
        "val_dataloader.dataset.ann_file": str(crowds[17] / "crowd.json"),
    }
    runner = runner_of(BASELINE, crowds, tmp_path, **options)
    with pytest.raises(
        ValueError,
        match=r"coco has 17 .*out_channels=14 \(config keys val_dataloader\.dataset and",
    ):
        runner.train()
    assert runner.iter == 0


def test_model_is_looked_at_behind_its_distributed_wrapper():
    class Wrapper(nn.parallel.DistributedDataParallel):
        def __init__(self, module):
            nn.Module.__init__(self)
            self.module = module

    model = nn.Module()
    model.head = nn.Conv2d(4, 17, 1)
    loop = SimpleNamespace(
        dataloader=SimpleNamespace(dataset=SimpleNamespace(metainfo={"num_keypoints": 14}))
    )
    for wrapped in (model, Wrapper(model)):
        with pytest.raises(ValueError, match=r"the dataset has 14 .*out_channels=17"):
            KeypointCountHook().before_test(SimpleNamespace(model=wrapped, test_loop=loop))


def test_what_states_no_number_is_not_checked():
    model = SimpleNamespace(head=SimpleNamespace(out_channels=17))
    require_keypoint_count(model, {"num_keypoints": 17}, source="a")
    require_keypoint_count(model, {}, source="a")
    require_keypoint_count(model, None, source="a")
    require_keypoint_count(SimpleNamespace(head=SimpleNamespace()), {"num_keypoints": 3}, source="")
    require_keypoint_count(SimpleNamespace(), {"num_keypoints": 3}, source="a")
