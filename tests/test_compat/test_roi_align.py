"""RoIAlign of mmktn.compat: by hand, against a slow loop, its gradient, the compiled one."""

import numpy as np
import pytest
import torch

from mmktn.compat import real_spec, roi_align_batched
from mmktn.compat.roi_align import roi_align_backward, roi_align_forward
from mmktn.compat.roi_align_batched import add_gradient, pool_batched
from tests.test_compat import reference_ops

HAS_COMPILED = real_spec("mmcv._ext") is not None


def pool(features, rois, bins_hw, *, scale=1.0, ratio=0, aligned=True):
    return roi_align_forward(
        features, rois, bins_hw=bins_hw, spatial_scale=scale, sampling_ratio=ratio, aligned=aligned
    )


def random_case(seed, dtype=torch.float64, batch=2, channels=3, size=(13, 17), count=9):
    """RoIs inside, across and outside the border, in image pixels at scale 1/4."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, channels, *size, generator=generator, dtype=dtype)
    corner = torch.rand(count, 2, generator=generator, dtype=dtype) * 70 - 12
    extent = torch.rand(count, 2, generator=generator, dtype=dtype) * 60 + 0.5
    ids = torch.randint(0, batch, (count, 1), generator=generator).to(dtype)
    rois = torch.cat([ids, corner, corner + extent], 1)
    rois[0, 1:] = torch.tensor([-90.0, -90, -40, -40], dtype=dtype)  # no valid sample
    rois[1, 1:] = torch.tensor([20.0, 20, 20, 20], dtype=dtype)  # no extent
    rois[2, 1:] = torch.tensor([-8.0, -8, 76, 60], dtype=dtype)  # larger than the map
    return features, rois


@pytest.mark.parametrize("ratio", [0, 1, 3])
@pytest.mark.parametrize(("aligned", "shift"), [(True, 0.0), (False, 0.5)])
def test_ramp_gives_the_bin_centres(aligned, shift, ratio):
    # On f(x) = x + 0.5 (the coordinate of each cell's centre) the mean over a bin is its centre
    # when aligned; the legacy rule reads half a cell further.
    ramp = torch.arange(10, dtype=torch.float64) + 0.5
    features = torch.stack([ramp.expand(10, 10), ramp[:, None].expand(10, 10)])[None]
    roi = torch.tensor([[0.0, 2.0, 3.0, 6.0, 9.0]], dtype=torch.float64)
    pooled = pool(features, roi, (3, 2), ratio=ratio, aligned=aligned)
    x_centres = torch.tensor([3.0, 5.0], dtype=torch.float64) + shift
    y_centres = torch.tensor([4.0, 6.0, 8.0], dtype=torch.float64) + shift
    torch.testing.assert_close(pooled[0, 0], x_centres.expand(3, 2))
    torch.testing.assert_close(pooled[0, 1], y_centres[:, None].expand(3, 2))


def test_border_rule_by_hand():
    # One row [1, 2]; samples at -1.0, -0.5, 0.5, 1.5, 2.0 and just outside read 1, 1, 1.5, 2, 2, 0.
    features = torch.tensor([[[[1.0, 2.0]]]])
    for position, value in [
        (-1, 1),
        (-0.5, 1),
        (0.5, 1.5),
        (1.5, 2),
        (2, 2),
        (-1.01, 0),
        (2.01, 0),
    ]:
        roi = torch.tensor([[0.0, position, 0, position + 1, 1]]) + torch.tensor(
            [0, 0, 0.5, 0, 0.5]
        )
        pooled = pool(features, roi, (1, 1), ratio=1, aligned=True)
        assert pooled.item() == pytest.approx(value), position


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 1, 2, 3])
@pytest.mark.parametrize("bins_hw", [(2, 3), (7, 7)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_equals_one_sample_at_a_time(aligned, ratio, bins_hw, layout):
    features, rois = random_case(seed=ratio)
    features = features.contiguous(memory_format=layout)
    pooled = pool(features, rois, bins_hw, scale=0.25, ratio=ratio, aligned=aligned)
    slow = reference_ops.roi_align(features.numpy(), rois.tolist(), *bins_hw, 0.25, ratio, aligned)
    assert pooled.is_contiguous()  # as mmcv's
    # Same sums in another order, float64.
    np.testing.assert_allclose(pooled.numpy(), slow, rtol=0, atol=1e-12)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_gradient_in_float64(aligned, ratio):
    features, rois = random_case(seed=5, channels=2, size=(7, 6), count=5)

    class Pool(torch.autograd.Function):
        @staticmethod
        def forward(ctx, features):
            ctx.shape = features.shape
            return pool(features, rois, (3, 2), scale=0.2, ratio=ratio, aligned=aligned)

        @staticmethod
        def backward(ctx, grad):
            result = grad.new_zeros(ctx.shape)
            roi_align_backward(
                grad, rois, result, spatial_scale=0.2, sampling_ratio=ratio, aligned=aligned
            )
            return result

    assert torch.autograd.gradcheck(Pool.apply, (features.requires_grad_(),))


def test_constant_map_is_kept_inside():
    features = torch.full((1, 4, 30, 40), 2.5)
    rois = torch.tensor([[0.0, 3.2, 4.1, 30.7, 20.9]])
    assert torch.allclose(pool(features, rois, (28, 28)), torch.tensor(2.5), atol=1e-5)


def test_more_rois_than_a_chunk_are_pooled_alike():
    features, rois = random_case(seed=1, count=300)
    together = pool(features, rois, (2, 2), scale=0.25)
    alone = torch.cat([pool(features, roi[None], (2, 2), scale=0.25) for roi in rois])
    assert torch.equal(together, alone)


def test_no_roi():
    features = torch.zeros(1, 3, 4, 4)
    assert pool(features, torch.zeros(0, 5), (7, 5)).shape == (0, 3, 7, 5)


def test_swapped_corners_raise():
    with pytest.raises(ValueError, match="x2 < x1"):
        pool(torch.zeros(1, 1, 4, 4), torch.tensor([[0.0, 3, 0, 1, 2]]), (2, 2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float32(dtype):
    features, rois = random_case(seed=3, dtype=torch.float32)
    half = features.to(dtype)
    pooled = pool(half, rois, (4, 4), scale=0.25)
    exact = pool(half.float(), rois, (4, 4), scale=0.25)
    assert pooled.dtype == dtype
    # Only the final rounding differs.
    torch.testing.assert_close(pooled, exact.to(dtype), rtol=0, atol=0)


@pytest.mark.skipif(not HAS_COMPILED, reason="mmcv's compiled operators are not installed")
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_compiled_mmcv(aligned, ratio, dtype, record_property):
    from mmktn.compat.import_hooks import real_module

    compiled = real_module("mmcv._ext")
    features, rois = random_case(seed=11, dtype=dtype, channels=8, size=(40, 50), count=60)
    options = {"spatial_scale": 0.25, "sampling_ratio": ratio, "aligned": aligned}
    sizes = {"aligned_height": 14, "aligned_width": 14, "pool_mode": 1}
    expected = features.new_zeros(60, 8, 14, 14)
    unused = features.new_zeros(0)
    compiled.roi_align_forward(features, rois, expected, unused, unused, **sizes, **options)
    ours = roi_align_forward(features, rois, bins_hw=(14, 14), **options)
    grad = torch.randn(ours.shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    expected_grad, our_grad = torch.zeros_like(features), torch.zeros_like(features)
    compiled.roi_align_backward(grad, rois, unused, unused, expected_grad, **sizes, **options)
    roi_align_backward(grad, rois, our_grad, **options)
    # Sums of some ten products of values near 1 in another order.
    tolerance = 2e-5 if dtype == torch.float32 else 1e-13
    record_property("max_forward_difference", float((ours - expected).abs().max()))
    record_property("max_gradient_difference", float((our_grad - expected_grad).abs().max()))
    torch.testing.assert_close(ours, expected, rtol=0, atol=tolerance)
    torch.testing.assert_close(our_grad, expected_grad, rtol=0, atol=20 * tolerance)


@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("numbers", [1, 5000, 2**25])
def test_many_rois_at_a_time_give_the_same(numbers, aligned, ratio, monkeypatch):
    """Also one RoI a group, and groups of some."""
    monkeypatch.setattr(roi_align_batched, "_WINDOW_NUMBERS", numbers)
    features, rois = random_case(seed=6, count=40)
    options = {"spatial_scale": 0.25, "sampling_ratio": ratio, "aligned": aligned}
    expected = roi_align_forward(features, rois, bins_hw=(5, 4), **options)
    torch.testing.assert_close(
        pool_batched(features, rois, (5, 4), **options), expected, rtol=0, atol=1e-12
    )
    grad, one, other = torch.randn_like(expected), torch.ones_like(features), features * 0 + 1
    roi_align_backward(grad, rois, one, **options)
    add_gradient(other, grad, rois, **options)
    torch.testing.assert_close(other, one, rtol=0, atol=1e-11)


@pytest.mark.cuda
def test_launches_of_a_thousand_proposals_on_cuda(pretended_counts):
    features, rois = random_case(seed=7, dtype=torch.float32, count=1000, channels=16)
    features, rois = features.cuda(), rois.cuda()
    pretended_counts.clear()
    pool(features, rois, (7, 7), scale=0.25)
    assert sum(pretended_counts.launches.values()) < 120  # 6000 when each RoI is multiplied alone
    assert sum(pretended_counts.waits.values()) == 1


@pytest.mark.cuda
@pytest.mark.parametrize("aligned", [True, False])
def test_same_on_cuda(aligned):
    features, rois = random_case(seed=2)
    on_cpu = pool(features, rois, (5, 4), scale=0.25, aligned=aligned)
    on_gpu = pool(features.cuda(), rois.cuda(), (5, 4), scale=0.25, aligned=aligned)
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=0, atol=1e-12)
