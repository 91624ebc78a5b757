import pytest
import torch
import torch.nn.functional as F

from mmktn.models.layers import WinogradConv2d, channels_last_for_inference
from mmktn.models.layers import winograd as module
from mmktn.models.layers.winograd import applies, winograd_conv3x3


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("hw", [(4, 4), (7, 10), (1, 5), (12, 6)])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_the_direct_convolution(hw, dilation, bias):
    torch.manual_seed(0)
    x = torch.randn(2, 5, *hw, dtype=torch.float64)
    weight = torch.randn(3, 5, 3, 3, dtype=torch.float64)
    b = torch.randn(3, dtype=torch.float64) if bias else None
    expected = F.conv2d(x, weight, b, padding=dilation, dilation=dilation)
    # The same sums in another order: float64 rounding only.
    torch.testing.assert_close(winograd_conv3x3(x, weight, b, dilation=dilation), expected)


def test_bands_of_tiles_do_not_change_the_result(monkeypatch):
    torch.manual_seed(0)
    x, weight = torch.randn(2, 4, 13, 9).double(), torch.randn(4, 4, 3, 3).double()
    whole = winograd_conv3x3(x, weight, None, dilation=2)
    monkeypatch.setattr(module, "BAND_TILES", 1)
    torch.testing.assert_close(winograd_conv3x3(x, weight, None, dilation=2), whole)


@pytest.fixture
def small_layers(monkeypatch):
    """Use Winograd for layers of any size."""
    for limit, value in (("MIN_CHANNELS", 1), ("MIN_CELLS", 1), ("LEVEL_CHANNELS", 0)):
        monkeypatch.setattr(module, limit, value)


def test_layer_is_the_plain_one_within_float32_rounding(small_layers):
    torch.manual_seed(0)
    conv = WinogradConv2d(32, 16, 3, padding=1)
    x = torch.randn(3, 32, 14, 14)
    direct = torch.nn.Conv2d.forward(conv, x)
    with torch.no_grad():
        assert applies(conv, x)
        fast = conv(x)
    assert fast.is_contiguous(memory_format=torch.channels_last)
    # 16 sums of a few extra additions each: about ten roundings of 6e-8.
    assert (fast - direct).abs().max() <= 2e-6 * direct.abs().max()


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 1},
        {"kernel_size": 3, "padding": 0},
        {"kernel_size": 3, "padding": 1, "stride": 2},
        {"kernel_size": 3, "padding": 1, "groups": 2},
        {"kernel_size": 3, "padding": 12, "dilation": 12},
        {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
        {"kernel_size": 5, "padding": 2},
    ],
    ids=str,
)
def test_other_convolutions_stay_direct(small_layers, options):
    conv = WinogradConv2d(4, 4, **options)
    with torch.no_grad():
        assert not applies(conv, torch.zeros(1, 4, 16, 16))


def test_gradients_autocast_and_other_dtypes_stay_direct(small_layers):
    conv = WinogradConv2d(4, 4, 3, padding=1)
    x = torch.zeros(1, 4, 8, 8)
    assert not applies(conv, x)
    with torch.no_grad():
        assert applies(conv, x)
        assert not applies(conv.double(), x.double())
        conv.float()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not applies(conv, x)


def test_small_layers_stay_direct():
    with torch.no_grad():
        assert not applies(WinogradConv2d(64, 64, 3, padding=1), torch.zeros(8, 64, 28, 28))
        assert not applies(WinogradConv2d(256, 256, 3, padding=1), torch.zeros(1, 256, 28, 28))


def test_layers_that_take_as_long_directly_stay_direct():
    x = torch.zeros(1, 256, 60, 80)
    with torch.no_grad():
        assert not applies(WinogradConv2d(256, 256, 3, padding=1), x)
        assert applies(WinogradConv2d(256, 256, 3, padding=2, dilation=2), x)
        assert applies(WinogradConv2d(256, 512, 3, padding=1), x)


def test_state_dict_is_that_of_a_convolution():
    state = WinogradConv2d(2, 3, 3).state_dict()
    assert list(state) == list(torch.nn.Conv2d(2, 3, 3).state_dict())


def test_channels_last_only_without_gradient():
    x = torch.rand(1, 4, 3, 3)
    assert channels_last_for_inference(x) is x
    with torch.inference_mode():
        y = channels_last_for_inference(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, y)
