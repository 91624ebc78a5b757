"""The worked examples of docs/tutorials/own-map.md, run as a reader would run them.

The code is taken out of the page: a file that the page shows is a file that the test writes.
"""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope

from mmktn.apis.prediction import ImagePrediction, save_prediction
from mmktn.models.flip_rules import surface_flip_rules
from mmktn.models.postprocess.map_averaging import average_views
from mmktn.structures.map_table import declared_map
from mmktn.utils.setup_env import register_all_modules
from tests.test_config_steps import BATCH, IMAGE_HW, folder, samples, small  # noqa: F401

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python\n# my_project/(\S+)\n(.*?)```", re.DOTALL)
# The head of each kind of system, where `extra_maps` goes, and a config of that kind.
SYSTEMS = {
    "region-based": (
        "densepose/densepose-rcnn_r18_fpn_cpu_dp-synth.py",
        "roi_head=dict(densepose_head=dict(predictor=dict(extra_maps=['side'])))",
    ),
    "top-down": (
        "topdown/densepose-td_r18_cpu_dp-synth.py",
        "head=dict(densepose_head=dict(predictor=dict(extra_maps=['side'])))",
    ),
    "fully convolutional": (
        "fcn/dp-fcn_r18_cpu_dp-synth.py",
        "chart_head=dict(predictor=dict(extra_maps=['side']))",
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """`my_project` beside a link to `configs`, importable."""
    root = tmp_path_factory.mktemp("reader")
    (root / "configs").symlink_to(ROOT / "configs")
    place = root / "my_project"
    place.mkdir()
    page = (ROOT / "docs" / "tutorials" / "own-map.md").read_text(encoding="utf-8")
    blocks = dict(BLOCK.findall(page))
    assert {"side_map.py", "side_r18.py", "residual_trunk.py", "residual_r18.py"} <= set(blocks)
    for name, text in blocks.items():
        (place / name).write_text(text)
    sys.path.insert(0, str(place))
    yield place
    sys.path.remove(str(place))


def build(path):
    """The model of a config, on small pictures, as tests/test_config_steps.py builds it."""
    register_all_modules(init_default_scope=False)
    torch.manual_seed(0)
    cfg = small(Config.fromfile(str(path)))
    init_default_scope(cfg.get("default_scope", "mmdet"))
    return cfg, MODELS.build(cfg.model)


def step(cfg, model, folder):  # noqa: F811
    """One training step."""
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    return model.train().train_step(samples(cfg, "train_dataloader", folder), optimizer)


def people_of(cfg, model, folder):  # noqa: F811
    """Predictions of the first picture."""
    with torch.no_grad():
        return model.eval().test_step(samples(cfg, "test_dataloader", folder))[0].pred_instances


@pytest.mark.parametrize("system", list(SYSTEMS))
def test_a_map_of_your_own_is_trained_decoded_written_and_drawn(system, project, folder, tmp_path):  # noqa: F811
    base, model_text = SYSTEMS[system]
    path = project / f"side_{system.replace(' ', '_')}.py"
    text = (project / "side_r18.py").read_text().splitlines()
    path.write_text(f'_base_ = "../configs/{base}"\n{text[1]}\nmodel = dict({model_text})\n')
    if system == "region-based":
        # What the page shows is this config.
        assert (
            Config.fromfile(str(path)).model == Config.fromfile(str(project / "side_r18.py")).model
        )
    cfg, model = build(path)
    layers = {k: v for k, v in model.named_parameters() if ".side." in k and v.ndim > 1}
    assert len(layers) == 1
    (layer,) = layers.values()
    before = layer.detach().clone()
    losses = step(cfg, model, folder)
    assert losses["loss_side"] > 0
    assert not torch.equal(before, layer)

    people = people_of(cfg, model, folder)
    assert len(people) > 0
    for result in people.densepose:
        side = result.fields["side"]
        assert tuple(side.shape) == result.hw
        assert side.abs().max() <= 1
        assert (side[result.labels == 0] == 0).all()
    prediction = ImagePrediction(
        "photo.png", 1, IMAGE_HW, people.bboxes.numpy(), people.scores.numpy(), people.densepose
    )
    save_prediction(prediction, tmp_path, formats=["npz"])
    with np.load(tmp_path / "photo.npz") as stored:
        np.testing.assert_array_equal(stored["side_0"], people.densepose[0].fields["side"].numpy())
    image = np.full((*IMAGE_HW, 3), 90, np.uint8)
    row = prediction.draw(image, legend=False)
    assert row.shape[1] == 5 * IMAGE_HW[1] + 4 * 4  # boxes, I, U, V, side


def test_views_of_a_map_of_your_own_are_turned_back_by_its_own_rule(project):
    _, model = build(project / "side_r18.py")
    head = model.roi_head.densepose_head
    assert head.decoded_fields == ("fine_segm", "u", "v", "coarse_segm", "side")
    maps = head.eval().predictor(torch.rand(2, head.predictor.in_channels, 8, 8))
    rules = surface_flip_rules("human")
    torch.testing.assert_close(maps.flip(rules)["side"], -maps["side"].flip(-1))
    mean = average_views([maps, maps.flip(rules)], mirrored=[False, True], rules=lambda: rules)
    torch.testing.assert_close(mean["side"], maps["side"])
    assert declared_map("side").field == "side"


def test_a_map_of_your_own_passes_test_time_augmentation(project, folder):  # noqa: F811
    cfg, model = build(project / "side_r18.py")
    tta = MODELS.build(dict(cfg.tta_model, module=model)).eval()
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    with torch.no_grad():
        found = tta.test_step(samples(cfg, "test_dataloader", folder))
    assert len(found) == BATCH
    assert all("side" in result.fields for result in found[0].pred_instances.densepose)


@pytest.mark.parametrize("system", ["top-down", "fully convolutional"])
def test_a_map_of_your_own_passes_flip_tests(system, project, folder):  # noqa: F811
    path = project / f"side_{system.replace(' ', '_')}.py"
    cfg, model = build(path)
    if system == "top-down":
        model.test_cfg["flip_test"] = True
        model.head.surface = "human"
    else:
        model.test_cfg.update(flip=True, scales=(0.75, 1.0), surface="human")
    people = people_of(cfg, model, folder)
    assert people.densepose[0].fields["side"].abs().max() <= 1


def test_a_trunk_of_your_own_trains_and_predicts(project, folder):  # noqa: F811
    cfg, model = build(project / "residual_r18.py")
    assert type(model.roi_head.densepose_head.trunk).__name__ == "ResidualTrunk"
    assert step(cfg, model, folder)["loss"].isfinite()
    assert len(people_of(cfg, model, folder)) > 0
