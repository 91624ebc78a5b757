import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn

from mmktn.models.layers import ConvTrunk, DeepLabTrunk, GCETrunk, KTNTrunk
from mmktn.registry import MODELS

SMALL = {"in_channels": 32, "channels": 64}


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("trunk", "parameters"),
    [(ConvTrunk, 17_698_816), (DeepLabTrunk, 19_933_696), (KTNTrunk, 18_622_464)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_parameter_counts_of_the_released_code(trunk, parameters):
    with torch.device("meta"):
        assert count(trunk()) == parameters


def test_ktn_parts_have_the_parameters_of_the_released_code():
    with torch.device("meta"):
        trunk = KTNTrunk()
    assert count(trunk.scale_convs) == 919_552
    assert count(trunk.convs) == 17_702_912


@pytest.mark.parametrize("name", ["ConvTrunk", "DeepLabTrunk", "KTNTrunk", "GCETrunk"])
def test_trunks_are_registered_and_map_channels(name):
    trunk = MODELS.build({"type": f"mmktn.{name}", "num_convs": 2, **SMALL})
    assert trunk.out_channels == 64
    assert trunk(torch.rand(2, 32, 8, 8)).shape == (2, 64, 8, 8)


@pytest.mark.parametrize("trunk", [ConvTrunk, DeepLabTrunk, KTNTrunk, GCETrunk])
def test_no_roi_gives_no_features_and_keeps_the_graph(trunk):
    module = trunk(num_convs=1, **SMALL)
    y = module(torch.zeros(0, 32, 8, 8))
    assert y.shape == (0, 64, 8, 8)
    y.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in module.parameters())


@pytest.mark.parametrize("trunk", [ConvTrunk, DeepLabTrunk, KTNTrunk, GCETrunk])
def test_permuting_rois_permutes_the_features(trunk):
    torch.manual_seed(0)
    module = trunk(num_convs=1, **SMALL).double()
    x = torch.rand(4, 32, 6, 6, dtype=torch.float64)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(module(x[order]), module(x)[order])


def test_inference_equals_training_forward():
    """Memory order and fused steps of inference change rounding only."""
    torch.manual_seed(0)
    for trunk in (ConvTrunk, DeepLabTrunk, KTNTrunk, GCETrunk):
        module = trunk(num_convs=2, **SMALL)
        x = torch.rand(2, 32, 14, 14)
        y = module(x)
        with torch.inference_mode():
            torch.testing.assert_close(module(x), y, rtol=1e-4, atol=1e-5)


def test_shared_kernel_has_one_weight_and_one_norm_a_dilation():
    block = KTNTrunk(**SMALL).scale_convs
    names = [name for name, _ in block.named_parameters()]
    assert [n for n in names if n.startswith("shared")] == ["shared.weight"]
    assert len(block.norms) == 3


def test_nonlocal_block_starts_as_the_identity():
    torch.manual_seed(0)
    trunk = DeepLabTrunk(num_convs=1, with_nonlocal=True, **SMALL)
    x = torch.rand(1, 32, 8, 8)
    assert torch.equal(trunk.nonlocal_block(x), x)


def test_parsing_rcnn_nonlocal_attends_to_pooled_cells():
    """With zero queries every cell receives the mean of the pooled values."""
    torch.manual_seed(0)
    block = GCETrunk(**SMALL).nonlocal_block
    for conv in (block.theta, block.phi):
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
    nn.init.dirac_(block.out.weight)
    nn.init.dirac_(block.g.weight)
    for conv in (block.out, block.g):
        nn.init.zeros_(conv.bias)
    block.norm = nn.Identity()
    x = torch.rand(1, 64, 4, 6)
    pooled = torch.nn.functional.max_pool2d(x, 2).mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(block(x), x + pooled)


def test_trunks_build_in_another_default_scope():
    """Configs run with the scope of mmdet: nested names have to resolve there as well."""
    DefaultScope.get_instance("test_context_trunks", scope_name="mmdet")
    assert isinstance(MODELS.build({"type": "mmktn.KTNTrunk", **SMALL}), KTNTrunk)
