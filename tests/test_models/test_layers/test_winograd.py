import pytest
import torch
import torch.nn.functional as F

from mmktn.models.layers import WinogradConv2d, channels_last_for_inference
from mmktn.models.layers import winograd as module
from mmktn.models.layers.winograd import applies, winograd_conv3x3


def random_layer(hw, *, channels_in=5, channels_out=3, bias=True, dtype=torch.float64):
    """Input, kernel and bias that ask for gradients."""
    torch.manual_seed(0)
    x = torch.randn(2, channels_in, *hw, dtype=dtype)
    weight = torch.randn(channels_out, channels_in, 3, 3, dtype=dtype)
    parts = [x, weight] + [torch.randn(channels_out, dtype=dtype)] * bias
    return [part.requires_grad_() for part in parts]


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("hw", [(4, 4), (7, 10), (1, 5), (12, 6)])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_the_direct_convolution_and_its_gradients(hw, dilation, bias):
    parts = random_layer(hw, bias=bias)
    x, weight, b = parts if bias else (*parts, None)
    direct = F.conv2d(x, weight, b, padding=dilation, dilation=dilation)
    fast = winograd_conv3x3(x, weight, b, dilation=dilation)
    # The same sums in another order: float64 rounding only.
    torch.testing.assert_close(fast, direct)
    at = torch.randn_like(direct)
    found, expected = (torch.autograd.grad(y, parts, at) for y in (fast, direct))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_gradients_are_those_of_finite_differences():
    parts = random_layer((5, 3), channels_in=2, channels_out=2)
    assert torch.autograd.gradcheck(winograd_conv3x3, parts)


@pytest.mark.parametrize("hw", [(8, 12), (7, 10), (7, 12)])
def test_what_follows_may_work_in_place(hw):
    parts = random_layer(hw)
    parts[0] = parts[0][:1]
    direct = F.conv2d(*parts, padding=1).relu().sum()
    fast = winograd_conv3x3(*parts).relu_().sum()
    for one, other in zip(
        torch.autograd.grad(fast, parts), torch.autograd.grad(direct, parts), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_only_gradients_that_are_asked_for_are_computed():
    x, weight, b = random_layer((4, 4))
    winograd_conv3x3(x.detach(), weight, b.detach()).sum().backward()
    assert weight.grad is not None
    assert x.grad is None
    assert b.grad is None


@pytest.mark.parametrize("tiles", [1, 5, 7, 30])
def test_bands_of_tiles_do_not_change_the_result(monkeypatch, tiles):
    parts = random_layer((13, 9), channels_in=4, channels_out=4)

    def all_numbers():
        y = winograd_conv3x3(*parts, dilation=2)
        return [y, *torch.autograd.grad(y.square().sum(), parts)]

    whole = all_numbers()
    monkeypatch.setattr(module, "BAND_VALUES", tiles * 36 * 4)
    for one, other in zip(all_numbers(), whole, strict=True):
        torch.testing.assert_close(one, other)


def test_float32_errs_as_much_as_the_direct_sum():
    torch.manual_seed(0)
    x = torch.randn(1, 256, 28, 28, dtype=torch.float64).relu()
    weight = torch.randn(64, 256, 3, 3, dtype=torch.float64) / 48
    exact = F.conv2d(x, weight, padding=1)
    x, weight = x.float(), weight.float()
    fast = winograd_conv3x3(x, weight, None)
    # Points 0, 1, -1, 2, -2 give 7e-6.
    assert (fast - exact).abs().max() <= 3e-6 * exact.abs().max()


@pytest.fixture
def small_layers(monkeypatch):
    """Use Winograd for layers of any size."""
    for limit in ("MIN_CHANNELS", "MIN_CELLS"):
        monkeypatch.setattr(module, limit, 1)


@pytest.mark.parametrize("grad", [True, False])
def test_layer_is_the_plain_one_within_float32_rounding(small_layers, grad):
    torch.manual_seed(0)
    conv = WinogradConv2d(32, 16, 3, padding=1)
    x = torch.randn(3, 32, 14, 14)
    direct = torch.nn.Conv2d.forward(conv, x)
    with torch.set_grad_enabled(grad):
        assert applies(conv, x)
        fast = conv(x)
    assert fast.is_contiguous(memory_format=torch.channels_last)
    assert (fast - direct).abs().max() <= 3e-6 * direct.abs().max()


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


def test_autocast_and_other_dtypes_stay_direct(small_layers):
    conv = WinogradConv2d(4, 4, 3, padding=1)
    x = torch.zeros(1, 4, 8, 8)
    assert applies(conv, x)
    assert not applies(conv.double(), x.double())
    conv.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not applies(conv, x)


@pytest.mark.parametrize(
    ("channels", "shape", "expected"),
    [(128, (8, 28, 28), False), (256, (1, 28, 28), False), (256, (1, 60, 80), True)],
)
def test_small_layers_stay_direct(channels, shape, expected):
    x = torch.zeros(shape[0], channels, *shape[1:])
    assert applies(WinogradConv2d(channels, channels, 3, padding=1), x) is expected


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
