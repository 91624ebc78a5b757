import pytest
import torch

from mmktn.stip import instance_regressor
from mmktn.stip.instance_regressor import (
    mean_generated_kernel,
    mean_generated_product,
    mean_squared_kernel,
)
from tests.tool_modules import tool_module

_direct_stip = tool_module("projects/benchmark/direct_stip.py")
_peak_memory = tool_module("projects/benchmark/peak_memory.py")
direct_regression = _direct_stip.direct_regression
PeakMemoryMeter = _peak_memory.PeakMemoryMeter

KEYPOINTS = 3


def inputs(
    depth=4, width=5, hw=(6, 7), dtype=torch.float64, channels_last=False, keypoints=KEYPOINTS
):
    """Generator features, features, weight, bias with gradients."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    maps = [draw(2, width, *hw), draw(2, depth, *hw)]
    if channels_last:
        maps = [m.contiguous(memory_format=torch.channels_last) for m in maps]
    weight, bias = draw(keypoints * depth, width, 1, 1), draw(keypoints * depth)
    return [t.requires_grad_() for t in (*maps, weight, bias)]


@pytest.fixture(params=[1 << 20, 1], ids=["one tile", "many tiles"])
def tile_bytes(request, monkeypatch):
    monkeypatch.setattr(instance_regressor, "_CPU_TILE_BYTES", request.param)


@pytest.mark.usefixtures("tile_bytes")
@pytest.mark.parametrize("channels_last", [False, True])
def test_values_equal_stored_kernels(channels_last):
    # 17 x 9 = 153 pixels are two and a half tiles of the smallest size, 64.
    g, f, w, b = inputs(hw=(17, 9), channels_last=channels_last)
    expected, kernels = direct_regression(g, f, weight=w, bias=b)
    found = mean_generated_product(g, f, weight=w, bias=b)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    mean = mean_generated_kernel(g, weight=w, bias=b, depth=4)
    torch.testing.assert_close(mean, kernels.mean(2), rtol=1e-12, atol=1e-12)
    energy = mean_squared_kernel(g, weight=w, bias=b)
    torch.testing.assert_close(energy, kernels.square().mean((1, 2, 3, 4)).detach())


@pytest.mark.usefixtures("tile_bytes")
def test_gradients_equal_those_of_stored_kernels():
    tensors = inputs(hw=(17, 9))
    g, f, w, b = tensors
    direction = torch.randn(2, KEYPOINTS, 17, 9, dtype=torch.float64)
    found = torch.autograd.grad(
        (mean_generated_product(g, f, weight=w, bias=b) * direction).sum(), tensors
    )
    expected = torch.autograd.grad(
        (direct_regression(g, f, weight=w, bias=b)[0] * direction).sum(), tensors
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


def test_gradcheck_in_double_precision():
    g, f, w, b = inputs(depth=2, width=3, hw=(2, 3))
    assert torch.autograd.gradcheck(
        lambda *t: mean_generated_product(t[0], t[1], weight=t[2], bias=t[3]), (g, f, w, b)
    )


def test_permuting_the_crops_permutes_the_maps():
    g, f, w, b = inputs()
    maps = mean_generated_product(g, f, weight=w, bias=b)
    swapped = mean_generated_product(g.flip(0), f.flip(0), weight=w, bias=b)
    torch.testing.assert_close(swapped, maps.flip(0))


@pytest.mark.parametrize("train", [False, True], ids=["forward", "training step"])
def test_memory_is_at_most_half_of_that_of_stored_kernels(train):
    tensors = inputs(16, 16, (64, 48), torch.float32, channels_last=True, keypoints=14)
    g, f, w, b = tensors

    def run(function):
        for tensor in tensors:
            tensor.grad = None
        with PeakMemoryMeter() as meter, torch.set_grad_enabled(train):
            out = function()
            if train:
                out.square().sum().backward()
        return meter.peak_bytes

    ours = run(lambda: mean_generated_product(g, f, weight=w, bias=b))
    direct = run(lambda: direct_regression(g, f, weight=w, bias=b)[0])
    assert ours <= 0.5 * direct


def test_autocast_leaves_the_product_in_float32():
    g, f, w, b = inputs(dtype=torch.float32)
    plain = mean_generated_product(g, f, weight=w, bias=b)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = mean_generated_product(g.bfloat16(), f.bfloat16(), weight=w, bias=b)
    assert mixed.dtype == torch.float32
    # bfloat16 keeps eight bits of each of the two factors.
    torch.testing.assert_close(mixed, plain, rtol=0, atol=0.02 * plain.abs().max().item())
    mixed.sum().backward()
    assert torch.isfinite(w.grad).all()


def test_weight_that_does_not_fit_is_named():
    g, f, w, b = inputs()
    with pytest.raises(ValueError, match=r"weight \(12, 5, 1, 1\).*kernels of length 5 from 4"):
        mean_generated_product(f, g, weight=w, bias=b)


@pytest.mark.cuda
def test_values_and_gradients_on_cuda_under_float16_autocast():
    tensors = [t.detach().cuda().requires_grad_() for t in inputs(hw=(17, 9), dtype=torch.float32)]
    g, f, w, b = tensors
    direction = torch.randn(2, KEYPOINTS, 17, 9, device="cuda")
    with torch.autocast("cuda", dtype=torch.float16):
        maps = mean_generated_product(g.half(), f.half(), weight=w, bias=b)
    assert maps.dtype == torch.float32
    found = torch.autograd.grad((maps * direction).sum(), tensors)
    expected = torch.autograd.grad(
        (direct_regression(g, f, weight=w, bias=b)[0] * direction).sum(), tensors
    )
    for one, other in zip(found, expected, strict=True):
        # float16 keeps eleven bits of each of the two maps.
        assert (one - other).abs().max() < 5e-3 * other.abs().max()
