import math

import pytest
import torch
from torch import nn

from mmktn.models.layers import ConvTrunk, kaiming_out


@pytest.mark.parametrize(
    ("layer", "fan_out"),
    [(nn.Conv2d(64, 128, 3), 128 * 9), (nn.ConvTranspose2d(128, 64, 4), 128 * 16)],
    ids=["conv", "deconv"],
)
def test_standard_deviation_follows_the_fan_out(layer, fan_out):
    torch.manual_seed(0)
    kaiming_out(layer)
    # 74 k samples: the standard error of a standard deviation is 0.3 %.
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.02)
    assert not layer.bias.any()


def test_trunk_convolutions_are_initialised_alike():
    torch.manual_seed(0)
    trunk = ConvTrunk(64, 128, num_convs=2)
    for block in trunk.convs:
        assert block.conv.weight.std().item() == pytest.approx(math.sqrt(2 / (128 * 9)), rel=0.02)
        assert not block.conv.bias.any()
