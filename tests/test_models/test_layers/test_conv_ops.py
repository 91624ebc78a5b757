import pytest
import torch
from torch import nn

from mmktn.models.layers import conv1x1_of_concat, dilated_conv


@pytest.mark.parametrize("bias", [True, False])
def test_sum_of_parts_equals_convolution_of_concatenation(bias):
    torch.manual_seed(0)
    conv = nn.Conv2d(9, 5, 1, bias=bias).double()
    parts = [torch.rand(2, n, 3, 4, dtype=torch.float64) for n in (2, 3, 4)]
    torch.testing.assert_close(conv1x1_of_concat(iter(parts), conv), conv(torch.cat(parts, dim=1)))


@pytest.mark.parametrize("constant_first", [True, False])
def test_part_of_one_cell_stands_for_a_constant_map(constant_first):
    torch.manual_seed(0)
    conv = nn.Conv2d(5, 4, 1).double()
    parts = [torch.rand(1, 2, 1, 1).double(), torch.rand(1, 3, 4, 6).double()]
    if not constant_first:
        parts.reverse()
    expected = conv(torch.cat([part.expand(-1, -1, 4, 6) for part in parts], dim=1))
    torch.testing.assert_close(conv1x1_of_concat(parts, conv), expected)


def test_channels_that_do_not_add_up_are_an_error():
    with pytest.raises(ValueError, match="3 channels together, not 4"):
        conv1x1_of_concat([torch.zeros(1, 3, 2, 2)], nn.Conv2d(4, 2, 1))


@pytest.mark.parametrize("dilation", [1, 3, 6, 7, 56])
def test_dilated_convolution_equals_the_plain_one(dilation):
    """Dilations of at least the map size reduce to the centre tap (rate 56 on 28)."""
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 3, 3, padding=dilation, dilation=dilation).double()
    x = torch.rand(1, 2, 7, 5, dtype=torch.float64)
    torch.testing.assert_close(dilated_conv(x, conv), conv(x))


def test_skipped_taps_get_zero_gradient_as_with_the_plain_convolution():
    conv = nn.Conv2d(1, 1, 3, padding=9, dilation=9)
    dilated_conv(torch.ones(1, 1, 4, 4), conv).sum().backward()
    expected = torch.zeros(1, 1, 3, 3)
    expected[..., 1, 1] = 16
    assert torch.equal(conv.weight.grad, expected)
