"""Every dense-pose config builds, makes one training step and one prediction on made-up people.

The network, the losses, the optimizer and the pipelines are the config's own, widths included, and
depths but for the trunk of the dense-pose head. Pictures are small, few boxes are kept, nothing is
downloaded, and weights start as plain averages instead of random numbers: drawing 300 million of
them takes longer than the test.
"""

import functools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, MODELS, init_default_scope

from mmktn.formats.dense_labels import DenseLabelWriter
from mmktn.utils.setup_env import register_all_modules
from tests.fake_annotations import write_fake_dataset

ROOT = Path(__file__).parents[1] / "configs"


def shown_by_another(path: Path) -> bool:
    """Whether a step of another config shows the same: fewer layers, more maps."""
    same = (
        path.stem.replace("_r101_", "_r50_"),
        re.sub("_hrnet-w4[08]_", "_hrnet-w32_", path.stem),
        re.sub("-dl-wc(1|2|1m)_", "-dl-wc2m_", path.stem),
    )
    return any(name != path.stem and path.with_stem(name).is_file() for name in same)


# STIP's configs are trained and tested in tests/test_stip; own_data, whose bases are those of the
# installed package, in tests/test_own_data.py.
CONFIGS = sorted(
    path
    for path in ROOT.rglob("*.py")
    if not {"_base_", "own_data", "stip"} & set(path.relative_to(ROOT).parts)
    and not shown_by_another(path)
    # Embeddings learn from vertices: tests/test_cse_configs.py.
    and not path.stem.startswith("densepose-cse")
)
IMAGE_HW = (96, 128)
BATCH = 2  # batch norm needs more than one value where a map is pooled to one cell


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("fake")
    write_fake_dataset(path, num_images=BATCH, persons=1, image_hw=IMAGE_HW)
    writer = DenseLabelWriter(path / "dense_labels", {})
    for person in json.loads((path / "annotations.json").read_text())["annotations"]:
        x, y, w, h = person["bbox"]
        chart_one = np.ones((4, 256, 256), np.uint8)
        writer.add(
            person["id"], chart_one, image_id=person["image_id"], box_xyxy=(x, y, x + w, y + h)
        )
    writer.close()
    return path


def walk(node: Any):
    """All dicts inside a config."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from walk(value)


SMALL = {
    "surface": "human",  # instead of the user's own official files
    "crop_size": (96, 96),
    "longer_side": 96,
    "input_size": (96, 128),
}
# The machines of KTM have 134 and 210 million weights. One config of each version steps them.
DENSE_MACHINE = ("ktn1_r50_fpn_260k_dp-coco", "ktn2_r50_fpn_s1x_dp-coco")
# Few boxes, and whatever a random classifier says about them is kept.
LIMITS = {"max_per_img": 8, "nms_pre": 50, "score_thr": -1.0}


def small(cfg: Config) -> Config:
    """Small pictures, few boxes, no downloads."""
    for node in walk(cfg._cfg_dict):
        if isinstance(node.get("init_cfg"), dict) and node["init_cfg"].get("checkpoint"):
            node["init_cfg"] = None
        if str(node.get("type", "")).endswith("Resize"):
            for key in {"scale", "scales"} & set(node):
                size = IMAGE_HW[::-1]
                node[key] = [size] if isinstance(node[key][0], (list, tuple)) else size
        node.update({key: value for key, value in SMALL.items() if key in node})
    for stage in ("train_cfg", "test_cfg"):
        for node in walk(cfg.model.get(stage) or {}):
            node.update({key: value for key, value in LIMITS.items() if key in node})
    for node in walk(cfg.model):
        has_machine = "KTM" in str(node.get("type")) and not node.get("folded")
        if has_machine and node.get("mlp", True) and Path(cfg.filename).stem not in DENSE_MACHINE:
            node.setdefault("transformer", {"kind": "low_rank", "rank": 8})
    rcnn = (cfg.model.get("test_cfg") or {}).get("rcnn")
    if rcnn:
        rcnn.max_per_img = 2
    # The branch costs most; its convolutions do not mind how many cells per box has. (Masks do.)
    head = cfg.model.get("roi_head", {})
    layer = head.get("densepose_roi_extractor", {}).get("roi_layer")
    if layer and isinstance(layer.get("output_size"), int) and not head.get("mask_head"):
        layer.output_size = 8
    # Of eight equal convolutions two show as much.
    trunk = head.get("densepose_head", {}).get("trunk", {})
    if trunk.get("num_convs", 0) > 2:
        trunk.num_convs = 2
    return cfg


@pytest.fixture
def averaging_weights(monkeypatch):
    """Every layer starts as the mean of its inputs, which keeps frozen backbones finite."""

    def average(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        with torch.no_grad():
            return tensor.fill_(1 / tensor[0].numel() if tensor.ndim > 1 else 0.0)

    for name in ("kaiming_uniform_", "kaiming_normal_", "uniform_", "normal_", "xavier_uniform_"):
        monkeypatch.setattr(torch.nn.init, name, average)


def leaves(dataset: ConfigDict) -> list[ConfigDict]:
    """The data sets inside wrappers and concatenations."""
    inner = dataset.get("datasets") or ([dataset.dataset] if "dataset" in dataset else [])
    return [leaf for part in inner for leaf in leaves(part)] or [dataset]


def samples(cfg: Config, loader: str, folder: Path) -> dict:
    """A batch of the loader's pipeline from the made-up data set."""
    for leaf in leaves(cfg[loader].dataset):
        leaf.update(data_root=str(folder), ann_file="annotations.json")
        leaf.data_prefix = ConfigDict(img="images/")
        if "bbox_file" in leaf:
            leaf.bbox_file = None
        if leaf.get("dense_labels"):
            leaf.dense_labels = str(folder / "dense_labels")
    built = DATASETS.build(cfg[loader].dataset)
    return pseudo_collate([built[index] for index in range(BATCH)])


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_config_trains_a_step_and_predicts(path, folder, monkeypatch, averaging_weights):
    monkeypatch.setenv("MMKTN_REAL_DATA", str(folder))
    register_all_modules(init_default_scope=False)
    torch.manual_seed(0)
    cfg = small(Config.fromfile(str(path)))
    init_default_scope(cfg.get("default_scope", "mmdet"))
    model = MODELS.build(cfg.model)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # predict with the statistics of the one step
    if "train_dataloader" in cfg and cfg.train_dataloader is not None:
        # Averages are no weights for a rate of training: some backbones would overflow.
        cfg.optim_wrapper.optimizer.lr = 1e-5
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
        # Not biases: the last one of KTM moves all charts alike, to which softmax is blind; so do
        # factors of logits that start alike. Gradients, because steps at this rate are too small
        # for some weights to move.
        weights = [
            p
            for name, p in model.named_parameters()
            if p.requires_grad and p.ndim > 1 and "segm_confidence" not in name
        ][-8:]
        gradients: dict[int, torch.Tensor] = {}
        for number, weight in enumerate(weights):
            weight.register_hook(functools.partial(gradients.__setitem__, number))
        losses = model.train().train_step(samples(cfg, "train_dataloader", folder), optimizer)
        assert losses["loss"].isfinite()
        assert all(value.isfinite().all() for value in losses.values())
        assert len(weights) - 1 in gradients
        assert any(gradient.any() for gradient in gradients.values())
        assert optimizer.optimizer.state  # it has made its step
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("rpn_reg.weight", "rpn_reg.bias", "fc_reg.weight", "fc_reg.bias")):
                weight.zero_()  # boxes lie where anchors do: averages throw them out of the picture
        results = model.eval().test_step(samples(cfg, "test_dataloader", folder))
    assert len(results) == BATCH
    for result in results:
        people = result.pred_instances
        assert len(people) > 0
        assert torch.as_tensor(people.bboxes).isfinite().all()
