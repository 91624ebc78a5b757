import pytest
import torch
from torch import nn

from mmktn.models.layers import DeconvTrunk


def test_three_deconvolutions_are_those_of_simple_baseline():
    """16 x 2048 x 256 + 2 x 16 x 256 x 256 weights without bias, three batch norms of 2 x 256."""
    with torch.device("meta"):
        trunk = DeconvTrunk(2048)
        output = trunk(torch.empty(1, 2048, 8, 6))
    assert output.shape == (1, 256, 64, 48)
    count = 16 * 2048 * 256 + 2 * 16 * 256 * 256 + 3 * 2 * 256
    assert sum(p.numel() for p in trunk.parameters()) == count


def test_same_weights_same_maps_as_mmpose():
    heads = pytest.importorskip("mmpose.models.heads")
    torch.manual_seed(0)
    theirs = heads.HeatmapHead(6, 3, deconv_out_channels=(4, 4), deconv_kernel_sizes=(4, 4)).eval()
    ours = DeconvTrunk(6, (4, 4)).eval()
    ours.layers.load_state_dict(theirs.deconv_layers.state_dict())
    x = torch.rand(2, 6, 4, 3)
    torch.testing.assert_close(ours(x), theirs.deconv_layers(x))


def test_without_deconvolutions_the_map_goes_through():
    trunk = DeconvTrunk(32, ())
    x = torch.rand(1, 32, 4, 3)
    assert trunk(x) is x
    assert trunk.out_channels == 32
    assert not list(trunk.parameters())


def test_norm_is_chosen_by_config():
    trunk = DeconvTrunk(4, (8,), norm_cfg={"type": "GN", "num_groups": 2})
    assert isinstance(trunk.layers[1], nn.GroupNorm)
