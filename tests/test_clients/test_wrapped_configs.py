"""Our inferencers on configs as people write them: wrapped test sets, none at all, pure Python."""

import re
from pathlib import Path

import mmdet
import numpy as np
import pytest
from mmengine.config import Config, ConfigDict

from mmktn.apis.inferencer import DensePoseInferencer
from mmktn.apis.pose_estimator import PoseEstimator
from mmktn.apis.test_pipeline import find_test_pipeline, type_name
from tests.test_apis.fake_detector import CFG, FakeDetector

PIPELINE = CFG.test_dataloader.dataset.pipeline
LEAF = {"type": "A", "pipeline": PIPELINE}
OTHER = {"type": "B", "pipeline": [{"type": "mmdet.Pad", "size": (1, 1)}]}
DATASETS = {
    "plain": LEAF,
    "RepeatDataset": {"type": "RepeatDataset", "times": 2, "dataset": LEAF},
    "ClassBalancedDataset": {"type": "ClassBalancedDataset", "oversample_thr": 1, "dataset": LEAF},
    "ConcatDataset": {"type": "ConcatDataset", "datasets": [LEAF, OTHER]},
    "nested": {"type": "R", "dataset": {"type": "C", "datasets": [LEAF, OTHER]}},
}


@pytest.mark.parametrize("kind", DATASETS)
@pytest.mark.parametrize("loader", ["test_dataloader", "val_dataloader"])
def test_inferencer_runs_on_wrapped_test_sets(kind, loader):
    model = FakeDetector()
    model.cfg = Config({"model": {}, loader: {"dataset": DATASETS[kind]}, "default_scope": "mmdet"})
    (found,) = DensePoseInferencer(model)(np.full((20, 30, 3), 200, np.uint8))
    assert len(found) == 2


@pytest.mark.parametrize("extra", [{}, {"test_dataloader": None, "val_dataloader": None}])
def test_config_without_test_set_gives_its_test_pipeline(extra):
    cfg = Config({"test_pipeline": PIPELINE, "train_dataloader": {"dataset": OTHER}, **extra})
    assert find_test_pipeline(cfg) == PIPELINE


def test_steps_of_a_combined_dataset_come_last():
    last = {"type": "mmpose.PackPoseInputs"}
    combined = {"type": "CombinedDataset", "datasets": [LEAF], "pipeline": [last]}
    cfg = Config({"test_dataloader": {"dataset": combined}})
    assert [type_name(step) for step in find_test_pipeline(cfg)][-2:] == [
        "PackDetInputs",
        "PackPoseInputs",
    ]


def test_nothing_says_how_to_prepare_a_picture():
    with pytest.raises(ValueError, match="no pipeline in test_dataloader or val_dataloader"):
        find_test_pipeline(Config({"train_dataloader": {"dataset": LEAF}}))


@pytest.mark.parametrize("wrapper", ["RepeatDataset", "CombinedDataset", "none"])
def test_pose_estimator_runs_on_wrapped_test_sets(wrapper):
    cfg = Config.fromfile("configs/stip/stip_hrnet-w16n_cpu_synthcrowd-128x96.py")
    leaf = cfg.test_dataloader.dataset
    if wrapper == "RepeatDataset":
        cfg.test_dataloader.dataset = ConfigDict(type=wrapper, times=1, dataset=leaf)
    elif wrapper == "CombinedDataset":
        steps, leaf.pipeline = leaf.pipeline, []
        cfg.test_dataloader.dataset = ConfigDict(
            type=wrapper, datasets=[leaf], pipeline=steps, metainfo=None
        )
    else:
        cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    poses = PoseEstimator(cfg, device="cpu").predict(
        np.zeros((40, 30, 3), np.uint8), np.array([[2.0, 2, 20, 30]])
    )
    assert poses.keypoints.shape == (1, 14, 2)


LAZY = """
from mmcv.ops import RoIAlign
from mmdet.models import (
    FPN, DetDataPreprocessor, FasterRCNN, ResNet, RPNHead, Shared2FCBBoxHead, SingleRoIExtractor,
    StandardRoIHead)
from mmdet.models.losses import CrossEntropyLoss, L1Loss
from mmdet.models.task_modules import (
    AnchorGenerator, DeltaXYWHBBoxCoder, MaxIoUAssigner, RandomSampler)
from mmengine.model import PretrainedInit
from mmdet.datasets.transforms import PackDetInputs, Resize
from mmcv.transforms import LoadImageFromFile
test_pipeline = [
    dict(type=LoadImageFromFile),
    dict(type=Resize, scale=(64, 64), keep_ratio=True),
    dict(type=PackDetInputs, meta_keys=("img_shape", "ori_shape", "scale_factor")),
]
"""


def test_pure_python_config_of_mmdet_is_a_detector(tmp_path):
    """mmdet's own Faster R-CNN with classes in the place of names."""
    stock = Path(mmdet.__file__).parent / ".mim/configs/_base_/models/faster-rcnn_r50_fpn.py"
    kept_as_names = "(?!BN|nms)"
    model = re.sub(rf"type='{kept_as_names}(\w+)'", r"type=\1", stock.read_text())
    model = model.replace("type=Pretrained", "type=PretrainedInit")
    (tmp_path / "base.py").write_text(LAZY + model)
    (tmp_path / "mine.py").write_text(
        "from mmengine.config import read_base\nwith read_base():\n    from .base import *\n"
        "model['roi_head']['bbox_head'].update(num_classes=1)\n"
    )
    detector = DensePoseInferencer(str(tmp_path / "mine.py"), device="cpu")
    (found,) = detector.predict([np.zeros((32, 40, 3), np.uint8)])
    assert found.bboxes.shape[1] == 4
