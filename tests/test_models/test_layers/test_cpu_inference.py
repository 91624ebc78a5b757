"""A detector that is prepared for the CPU gives what it gave."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from mmktn.apis import DensePoseInferencer, load_model
from mmktn.models.layers import WinogradConv2d
from mmktn.models.layers.cpu_inference import OneDnnConv2d, prepare_for_cpu

CONFIGS = Path(__file__).parents[3] / "configs/densepose"
SMOKE = CONFIGS / "smoke/densepose-rcnn_r18_fpn_smoke_dp-synth.py"


@pytest.fixture(scope="module")
def plain():
    torch.manual_seed(0)
    model = load_model(SMOKE, device="cpu")
    for module in model.backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1)
            nn.init.normal_(module.bias, 0, 0.1)
    return model


@pytest.fixture(scope="module")
def prepared(plain):
    model = copy.deepcopy(plain)
    prepare_for_cpu(model)
    return model


def outputs(model, x):
    levels = model.extract_feat(x)
    logits, deltas = model.rpn_head(levels)
    return [*levels, *logits, *deltas]


@pytest.mark.parametrize("batch", [1, 2])
def test_levels_and_proposals_stay_within_rounding(plain, prepared, batch):
    x = torch.randn(batch, 3, 72, 96)
    with torch.no_grad():
        found, expected = outputs(prepared, x), outputs(plain, x)
    for ours, theirs in zip(found, expected, strict=True):
        # Some thirty layers of float32 rounding.
        assert (ours - theirs).abs().max() <= 2e-5 * theirs.abs().max()
    assert found[0].is_contiguous(memory_format=torch.channels_last)


def test_batch_norms_are_gone_and_layers_faster(plain, prepared):
    kinds = [type(module) for module in prepared.backbone.modules()]
    assert nn.BatchNorm2d not in kinds
    assert OneDnnConv2d in kinds
    assert type(prepared.rpn_head.rpn_conv) is WinogradConv2d
    assert type(plain.rpn_head.rpn_conv) is nn.Conv2d
    assert list(prepared.rpn_head.state_dict()) == list(plain.rpn_head.state_dict())


def test_other_types_gradients_and_layouts_take_pytorchs_own_way():
    torch.manual_seed(0)
    layer = OneDnnConv2d(4, 6, 1, stride=2)
    x = torch.randn(2, 4, 6, 6)
    last = x.contiguous(memory_format=torch.channels_last)
    expected = nn.Conv2d.forward(layer, x)
    torch.testing.assert_close(layer(last), expected)  # with gradient
    assert layer(last).requires_grad
    with torch.no_grad():
        for given in (x, last, last.requires_grad_()):
            torch.testing.assert_close(layer(given), expected)
        with torch.autocast("cpu", torch.bfloat16):
            assert layer(last).dtype == torch.bfloat16
        assert layer.double()(last.double()).dtype == torch.float64


def test_other_backbones_stay():
    model = load_model(CONFIGS.parent / "topdown/densepose-td_hrnet-w16n_cpu_dp-synth.py")
    keys = list(model.state_dict())
    prepare_for_cpu(model)
    prepare_for_cpu(nn.Linear(1, 1))
    assert list(model.state_dict()) == keys


def test_inferencers_prepare_what_they_load(plain):
    own = DensePoseInferencer(SMOKE, device="cpu")
    given = DensePoseInferencer(plain)
    kinds = [
        any(isinstance(m, nn.BatchNorm2d) for m in each.model.backbone.modules())
        for each in (own, given)
    ]
    assert kinds == [False, True]
