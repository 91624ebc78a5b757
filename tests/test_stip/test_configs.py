"""Every STIP config loads, agrees with its name, and builds."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS, init_default_scope

from mmktn.registry import MODELS
from mmktn.stip.checkpoint_keys import check_fit, convert_stip_state_dict

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "configs" / "stip"
KEYS = ROOT / "tests/data/reference/keys"
CONFIGS = sorted(FOLDER.glob("*.py"))
IDS = [path.stem for path in CONFIGS]


@cache
def load(path):
    """Config of a file, read once; tests leave it unchanged."""
    return Config.fromfile(str(path))


def vocabulary():
    """Words of the table in configs/stip/README.md."""
    rows = re.findall(r"^\|[^|]*\|((?: `[^`]+`)+) \|", (FOLDER / "README.md").read_text(), re.M)
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


@pytest.fixture(autouse=True)
def _scope():
    load(CONFIGS[0])  # imports what the configs name
    init_default_scope("mmpose")


def codec_of(cfg, kind):
    """Encoder of the training pipeline."""
    return next(s for s in cfg[kind].dataset.pipeline if s.type == "mmpose.GenerateTarget").encoder


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_words_of_the_name_are_in_the_vocabulary(path):
    words = path.stem.split("_")
    words = [*words[:-1], *words[-1].rsplit("-", 1)]
    assert set(words) <= vocabulary()
    assert len(path.stem) <= 64
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_name_agrees_with_content(path):
    cfg = load(path)
    algorithm, backbone, schedule, data = path.stem.split("_")
    data, size = data.rsplit("-", 1)
    head, decoder = cfg.model.head, cfg.model.head.decoder
    assert (head.type == "mmpose.HeatmapHead") == (algorithm == "td-hm")
    if algorithm != "td-hm":
        assert (head.semantic_transfer is None) == (algorithm == "stip-iap")
        assert (head.instance_parsing is None) == (algorithm == "stip-sat")
    if backbone.startswith("hrnet"):
        width = int(re.search(r"\d+", backbone).group())
        assert cfg.model.backbone.extra.stage4.num_channels == tuple(width * 2**i for i in range(4))
        assert head.in_channels == width
    else:
        assert cfg.model.backbone.depth == int(backbone[1:])
    assert head.out_channels == (14 if data in ("crowdpose", "synthcrowd", "crowdreal") else 17)
    height, width = (int(side) for side in size.split("x"))
    assert tuple(decoder.input_size) == (width, height)
    if schedule.endswith("210e"):
        gpus, batch = re.fullmatch(r"(\d)xb(\d+)-210e", schedule).groups()
        assert cfg.train_dataloader.batch_size == int(batch)
        assert cfg.auto_scale_lr.base_batch_size == int(gpus) * int(batch)
        assert (cfg.train_cfg.max_epochs, cfg.optim_wrapper.optimizer.lr) == (210, 1e-3)
        assert cfg.param_scheduler[0].milestones == [169, 199]
        checkpoint = cfg.model.backbone.init_cfg.checkpoint
        assert (backbone[1:] if backbone.startswith("r") else backbone[-3:]) in checkpoint


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_targets_maps_and_decoder_have_one_size(path):
    cfg = load(path)
    decoder = cfg.model.head.decoder
    if cfg.train_dataloader is not None:
        encoder = codec_of(cfg, "train_dataloader")
        for key in ("input_size", "heatmap_size", "sigma"):
            assert encoder[key] == decoder[key], key
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        if cfg[loader] is not None:
            affine = [s for s in cfg[loader].dataset.pipeline if s.type == "mmpose.TopdownAffine"]
            assert affine[0].input_size == decoder.input_size
    width, height = decoder.input_size
    scale = cfg.model.head.get("scale", 2 if cfg.model.head.type == "mmktn.STIPHead" else 1)
    assert tuple(decoder.heatmap_size) == (width // 4 * scale, height // 4 * scale)


def test_learning_rate_falls_in_the_epochs_of_the_official_code():
    def optimizer():
        return torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)

    cfg = load(FOLDER / "stip_hrnet-w32_4xb64-210e_crowdpose-256x192.py")
    ours, official, found = optimizer(), optimizer(), []
    scheduler = PARAM_SCHEDULERS.build(cfg.param_scheduler[0], default_args={"optimizer": ours})
    reference = torch.optim.lr_scheduler.MultiStepLR(official, [170, 200], 0.1)
    for epoch in range(210):
        official.step()
        reference.step()  # the official loop steps before it trains the epoch
        rates = [group["lr"] for o in (ours, official) for group in o.param_groups]
        assert rates[0] == pytest.approx(rates[1]), epoch
        found.append(rates[0])
        ours.step()
        scheduler.step()  # mmengine after it
    assert found[168:170] == pytest.approx([1e-3, 1e-4])
    assert found[198:200] == pytest.approx([1e-4, 1e-5])


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_validation_takes_annotated_boxes_and_test_those_of_a_detector(path):
    cfg = load(path)
    test = cfg.test_dataloader.to_dict()
    boxes = test["dataset"].pop("bbox_file", None)
    data = path.stem.rsplit("_", 1)[1].rsplit("-", 1)[0]
    files = {"crowdpose": "det_for_crowd_test", "coco": "COCO_val2017_detections_AP_H_56_person"}
    assert (files[data] in boxes) if data in files else (boxes is None)
    if data != "ochuman":  # which has a split of its own for each; else no other difference
        assert cfg.val_dataloader.to_dict() == test
        assert cfg.val_evaluator == cfg.test_evaluator
    if data in files:
        assert (
            cfg.test_evaluator.ann_file
            == test["dataset"]["data_root"] + (test["dataset"]["ann_file"])
        )


@cache
def parameters_of(model: str) -> int:
    with torch.device("meta"):
        built = MODELS.build(ast.literal_eval(model))
    return sum(parameter.numel() for parameter in built.parameters())


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_model_builds(path):
    """Apart from sizes of input and maps, which a test above compares."""
    model = load(path).model.to_dict()
    model["head"]["decoder"].update(input_size=(192, 256), heatmap_size=(48, 64))
    assert parameters_of(repr(model)) > 5e5


@pytest.mark.parametrize(
    ("keys", "config"),
    [
        ("crowdpose_stipnet_stipnet_w32", "stip_hrnet-w32_4xb64-210e_crowdpose-256x192"),
        ("crowdpose_stipnet_stipnet_w48", "stip_hrnet-w48_4xb48-210e_crowdpose-256x192"),
        ("coco_stip_stipnet_w32", "stip_hrnet-w32_8xb48-210e_coco-384x288"),
    ],
)
def test_official_weights_fit_the_config(keys, config):
    text = next(KEYS.glob(f"{keys}*.tsv")).read_text()
    official = {
        name: torch.empty([int(n) for n in re.findall(r"\d+", shape)], device="meta")
        for name, shape in (line.split("\t") for line in text.splitlines())
    }
    with torch.device("meta"):
        model = MODELS.build(load(FOLDER / f"{config}.py").model)
    assert check_fit(convert_stip_state_dict(official), model.state_dict()) == []


def test_every_row_of_the_tables_has_its_configs():
    names = set(IDS)
    for data, stip in (("crowdpose", "4xb64"), ("coco", "8xb48")):
        for width in ("w32", "w48"):
            batch = "4xb48" if (width, data) == ("w48", "crowdpose") else stip
            for size in ("256x192", "384x288"):
                assert f"td-hm_hrnet-{width}_4xb32-210e_{data}-{size}" in names
                assert f"stip_hrnet-{width}_{batch}-210e_{data}-{size}" in names
        for depth in ("r50", "r101") if data == "coco" else ("r50",):
            assert f"td-hm_{depth}_4xb32-210e_{data}-256x192" in names
            assert f"stip_{depth}_{stip}-210e_{data}-256x192" in names
        for part in ("sat", "iap"):
            assert f"stip-{part}_hrnet-w32_{stip}-210e_{data}-256x192" in names


def test_pyramid_has_the_published_size():
    from mmktn.stip.blocks import ContextPyramid

    pyramid = ContextPyramid(32)
    assert sum(p.numel() for p in pyramid.parameters()) == 35_200
