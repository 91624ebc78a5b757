import pytest
import torch
from torch import nn

from mmktn.models.ktm import GeneratedDeconv

RANDOM = {"relation_source": "random"}


def sources():
    return {"keypoint": (nn.Parameter(torch.rand(2, 17, 4, 4)),)}


def test_folding_keeps_the_kernel_and_drops_the_machine():
    torch.manual_seed(0)
    deconv = GeneratedDeconv(2, {"keypoint": 17}, kernel_size=4, graph=RANDOM)
    given = sources()
    kernel = deconv(given)
    deconv.fold(given)
    assert list(deconv.state_dict()) == ["weight"]
    assert torch.equal(deconv({}), kernel)
    assert deconv.sources == ()
    deconv.fold({})  # a second time changes nothing
    assert torch.equal(deconv({}), kernel)


def test_folded_layer_holds_204_800_numbers():
    """The folded kernel replaces the parameters of the KTM."""
    with torch.device("meta"):
        deconv = GeneratedDeconv(512, {"keypoint": 17}, kernel_size=4, folded=True)
    assert sum(p.numel() for p in deconv.parameters()) == 204_800


def test_folded_state_loads_into_a_folded_layer():
    torch.manual_seed(0)
    deconv = GeneratedDeconv(2, {"keypoint": 17}, kernel_size=4, graph=RANDOM)
    deconv.fold(sources())
    other = GeneratedDeconv(2, {"keypoint": 17}, kernel_size=4, folded=True)
    other.load_state_dict(deconv.state_dict())
    assert torch.equal(other({}), deconv({}))


def test_sources_keep_the_given_order():
    nodes = {"keypoint": 17, "box": 6, "part": 15}
    deconv = GeneratedDeconv(2, nodes, kernel_size=4, box_dim=8)
    assert deconv.sources == ("keypoint", "box", "part")
    assert deconv.machine.transformer[0].in_features == 32 + 8 + 32


def test_unknown_source_is_an_error():
    with pytest.raises(ValueError, match="mask"):
        GeneratedDeconv(2, {"mask": 2}, kernel_size=4)
