import pytest
import torch

from mmktn.models.layers import depth_to_space, space_to_depth


def test_convention_space_to_depth_blocks_are_a_b_c_d():
    """A 2 x 2 input [[a, b], [c, d]] gives the channel blocks a, b, c, d."""
    channel_0 = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    x = torch.stack([channel_0, channel_0 * 10])[None]  # two channels
    expected = torch.tensor([1.0, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0, 40.0])
    assert torch.equal(space_to_depth(x).flatten(), expected)


def test_convention_depth_to_space_is_pixel_shuffle():
    """The four values of a cell are neighbours in the channel axis, row by row."""
    x = torch.arange(8.0).view(1, 8, 1, 1)
    expected = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]], [[4.0, 5.0], [6.0, 7.0]]]])
    assert torch.equal(depth_to_space(x), expected)


def test_space_to_depth_keeps_every_value():
    x = torch.arange(2 * 3 * 4 * 6.0).view(2, 3, 4, 6)
    folded = space_to_depth(x)
    assert folded.shape == (2, 12, 2, 3)
    assert torch.equal(folded.flatten(1).sort().values, x.flatten(1))


def test_space_to_depth_keeps_channels_last_memory():
    x = torch.rand(1, 8, 4, 6).contiguous(memory_format=torch.channels_last)
    folded = space_to_depth(x)
    assert folded.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(folded, space_to_depth(x.contiguous()))


@pytest.mark.parametrize("hw", [(3, 4), (4, 5)])
def test_space_to_depth_names_odd_sizes(hw):
    with pytest.raises(ValueError, match=f"{hw[0]} x {hw[1]}"):
        space_to_depth(torch.zeros(1, 1, *hw))
