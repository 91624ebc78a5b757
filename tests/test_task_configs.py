"""Configs of multi-task systems, cascades and single tasks: names, content, transfer."""

from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmktn.registry import MODELS
from mmktn.utils.setup_env import register_all_modules
from tests.test_configs import vocabulary

ROOT = Path(__file__).parents[1] / "configs"
CONFIGS = sorted(p for folder in ("cascade", "tasks") for p in (ROOT / folder).glob("*.py"))
IDS = [p.stem for p in CONFIGS]
# Row of table 1 -> GPS AP.
PAPER = {
    "densepose-rcnn-legacy": 51.0,
    "densepose-rcnn-mask": 51.9,
    "densepose-rcnn-kpt": 52.8,
    "densepose-cascade": 51.6,
    "densepose-cascade-mask": 52.8,
    "densepose-cascade-kpt": 55.8,
}


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")


@cache
def load(path: Path) -> Config:
    """Config of a file, read once; tests leave it unchanged."""
    return Config.fromfile(str(path))


@cache
def model_of(path: Path) -> torch.nn.Module:
    with torch.device("meta"):
        return MODELS.build(load(path).model)


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_names_keep_to_the_grammar(path):
    assert len(path.stem) <= 64
    assert set(path.stem.split("_")) <= vocabulary()
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_every_full_size_system_has_a_twin(path):
    words = path.stem.split("_")
    if words[-1] == "coco-kpt":
        return  # the twins of the keypoint task train on the synthetic set as well
    # That of the single-task rows stands with its own family.
    assert len(list(ROOT.rglob(f"{words[0]}_r18_{words[2]}_cpu_dp-synth.py"))) == 1


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_words_agree_with_the_content(path):
    name, _, neck, *_ = path.stem.split("_")
    head = model_of(path).roi_head
    assert (type(head).__name__ == "CascadeDensePoseRoIHead") == ("cascade" in name)
    assert bool(head.with_mask) == name.endswith("mask")
    assert (head.keypoint_head is not None) == name.endswith("kpt")
    kind = type(head.densepose_neck).__name__
    necks = {"fpn-mid1": "MultiInstanceDecoderV1", "fpn-mid2": "MultiInstanceDecoderV2"}
    assert kind == necks.get(neck, "NoneType")
    made = {
        "body-seg": {"body_mask"},
        "part-seg": {"coarse_segm"},
        "keypoints": {"keypoint_heatmaps"},
    }
    charts = {"fine_segm", "u", "v", "coarse_segm"}
    assert set(head.densepose_head.predictor.field_names) == made.get(name, charts)


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_results_fit_the_metrics(path):
    """Every metric finds the field it reads."""
    cfg, head = load(path), model_of(path).roi_head
    fields = {"densepose"} if head.densepose_head.decoder is not None else set()
    branches = [head.densepose_head] + ([head.keypoint_head] if head.keypoint_head else [])
    for branch in branches:
        for decoder in branch.task_decoders:
            fields |= set(decoder.no_results(torch.zeros(0, 4)))
    fields |= {"masks"} if head.with_mask else set()
    needs = {
        "mmktn.DensePoseMetric": "densepose",
        "mmdet.CocoMetric": "masks",
        "mmktn.OKSMetric": "keypoints",
        "mmktn.BodyMaskMetric": "body_segmentation",
        "mmktn.PartSegmentationMetric": "part_segmentation",
    }
    evaluators = cfg.val_evaluator if isinstance(cfg.val_evaluator, list) else [cfg.val_evaluator]
    assert {needs[e.type] for e in evaluators} == fields - {"keypoint_scores"}
    truth = "densepose_val" if "dp-synth" in path.stem else "minival|val2017"
    assert all(any(t in e.ann_file for t in truth.split("|")) for e in evaluators)


def test_metafile_holds_the_figures_of_table_1():
    models = yaml.safe_load((ROOT / "cascade/metafile.yml").read_text())["Models"]
    found = {m["Name"].split("_fpn")[0]: m["Metadata"]["Paper GPS AP"] for m in models}
    assert found == {
        **{f"{name}_r50": figure for name, figure in PAPER.items()},
        "densepose-rcnn-legacy_r101": 51.8,
    }


def test_settings_of_the_released_multi_task_config():
    for name in PAPER:
        cfg = load(ROOT / f"cascade/{name}_r50_fpn_230k_dp-coco.py")
        assert cfg.optim_wrapper.optimizer.lr == 0.002
        assert cfg.auto_scale_lr.base_batch_size == 8
        assert cfg.train_cfg.max_iters == 230000
        assert cfg.param_scheduler[1].milestones == [150000, 200000]
        assert (cfg.param_scheduler[0].start_factor, cfg.param_scheduler[0].end) == (1e-7, 3001)
        loss = cfg.model.roi_head.densepose_head.loss
        weights = tuple(loss.weights[name] for name in ("coarse_segm", "fine_segm", "u"))
        assert weights == (2.0, 0.3, 0.1)
        assert loss.uv_reference_images == cfg.train_dataloader.batch_size == 1


@pytest.mark.parametrize(
    ("pretrained", "started"),
    [
        ("keypoints_r50_fpn_260k_coco-kpt", "densepose-rcnn_r50_fpn_ktm2_s1x_dp-coco"),
        ("keypoints_r50_fpn-mid2_260k_coco-kpt", "ktn2_r50_fpn_s1x_dp-coco"),
        ("keypoints_r18_fpn-mid2_cpu_dp-synth", "ktn2_r18_fpn_cpu_dp-synth"),
    ],
)
def test_keypoint_pretraining_fits_the_system_that_it_starts(pretrained, started):
    """`load_from` finds every weight of the checkpoint; only charts, parts and body are new."""
    given = model_of(ROOT / f"tasks/{pretrained}.py").state_dict()
    wanted = model_of(ROOT / f"densepose/{started}.py").state_dict()
    assert {k: v.shape for k, v in given.items()} == {k: wanted[k].shape for k in given}
    layers = "roi_head.densepose_head.predictor.deconvs."
    assert f"{layers}keypoint_heatmaps.weight" in given
    assert all(k.startswith(layers) for k in set(wanted) - set(given))
