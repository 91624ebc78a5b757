"""Every dense-pose config builds, makes one training step and one prediction on made-up people.

The network, the losses, the optimizer and the pipelines are the config's own, and depths but for
the trunk of the dense-pose head. Full-size systems have a quarter of their widths; that the layers
fit at the widths of the config is shown without numbers, on PyTorch's meta device. Pictures are
small, few boxes are kept, nothing is downloaded, and weights start as plain averages instead of
random numbers: drawing them takes longer than the test.
"""

import ast
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
ALL = sorted(
    path
    for path in ROOT.rglob("*.py")
    if not {"_base_", "own_data", "stip"} & set(path.relative_to(ROOT).parts)
)
CONFIGS = [
    path
    for path in ALL
    if not shown_by_another(path)
    # Embeddings learn from vertices: tests/test_cse_configs.py.
    and not path.stem.startswith("densepose-cse")
]
FULL_SIZE = [path for path in ALL if not path.stem.endswith(("_dp-synth", "_dp-real"))]
WIDTHS_OF_THEIR_OWN = [
    path
    for path in FULL_SIZE
    # ResNet-101 is as wide as ResNet-50.
    if not path.with_stem(path.stem.replace("_r101_", "_r50_")).is_file() or "_r50_" in path.stem
]
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
# Few boxes, and whatever a random classifier says about them is kept.
LIMITS = {"max_per_img": 8, "nms_pre": 50, "score_thr": -1.0}


WIDTHS = {
    *("in_channels", "out_channels", "channels", "feat_channels", "conv_out_channels"),
    *("hidden_channels", "fc_out_channels", "box_dim", "num_channels"),
}


def quarter_widths(model: ConfigDict) -> None:
    """A quarter of all channels, but those of images and keypoints."""
    for node in walk(model):
        for key in WIDTHS & set(node):
            if isinstance(node[key], (list, tuple)):
                node[key] = [width // 4 for width in node[key]]
            elif isinstance(node[key], int) and node[key] >= 32:
                node[key] //= 4
    if model.backbone.type.endswith("ResNet"):
        width = model.backbone.get("base_channels", 64) // 4
        model.backbone.update(base_channels=width, stem_channels=width)


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
    if Path(cfg.filename) in FULL_SIZE:
        quarter_widths(cfg.model)
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


@functools.cache
def levels_of(backbone_and_neck: str) -> tuple[torch.Tensor, ...]:
    """What the backbone and the neck of a model make, as shapes."""
    parts = [MODELS.build(part) for part in ast.literal_eval(backbone_and_neck) if part]
    made = torch.zeros(2, 3, *IMAGE_HW)
    for part in parts:
        made = part(made)
    return tuple(made)


def forward_by_shape(model: torch.nn.Module, levels: tuple[torch.Tensor, ...]) -> None:
    """Run all heads of a model on maps, what is pooled being made up."""
    if not hasattr(model, "roi_head"):
        head = model.chart_head if hasattr(model, "chart_head") else model.head
        head(levels[-1] if hasattr(model, "chart_head") else levels)
        return
    heads = model.roi_head
    model.rpn_head(levels)
    extractor, boxes = heads.bbox_roi_extractor, heads.bbox_head
    assert all(level.shape[1] == extractor.out_channels for level in levels)
    heads.bbox_head(torch.zeros(2, extractor.out_channels, *boxes.roi_feat_size))
    maps = heads._branch_features(levels)[1]
    extractor = heads.densepose_roi_extractor
    assert all(level.shape[1] == extractor.out_channels for level in maps)
    pooled = [
        torch.zeros(2, extractor.out_channels, *layer.output_size) for layer in extractor.roi_layers
    ]
    several = type(extractor).__name__ == "MultiLevelRoIExtractor"
    heads._pool = lambda *_: tuple(pooled) if several else pooled[0]
    heads._branch_maps((levels, maps), torch.zeros(2, 5))


@pytest.mark.parametrize("path", WIDTHS_OF_THEIR_OWN, ids=lambda p: p.stem)
def test_full_size_layers_fit(path):
    register_all_modules(init_default_scope=False)
    cfg = Config.fromfile(str(path))
    init_default_scope(cfg.default_scope)
    parts = [cfg.model.backbone.to_dict(), (cfg.model.get("neck") or ConfigDict()).to_dict()]
    cfg.model.backbone = ConfigDict(type="mmdet.ResNet", depth=18, base_channels=8)
    with torch.device("meta"):
        forward_by_shape(MODELS.build(cfg.model), levels_of(repr(parts)))


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
