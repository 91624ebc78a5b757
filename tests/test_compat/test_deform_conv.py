"""Deformable convolutions through mmcv.ops, on each backend that loads here."""

import numpy as np
import pytest
import torch
from mmcv.ops import (
    DeformConv2dPack,
    ModulatedDeformConv2dPack,
    deform_conv2d,
    modulated_deform_conv2d,
)

from mmktn.compat import deform_conv as module
from mmktn.compat import mmcv_ext
from tests.test_compat import reference_ops

only_stand_in = pytest.mark.skipif(
    not mmcv_ext.is_active(), reason="the compiled mmcv._ext is in use"
)
CASES = {
    "plain": ((1, 1), (1, 1), (1, 1), 1, 1),
    "strided": ((2, 1), (0, 2), (1, 2), 1, 2),
    "grouped": ((1, 2), (2, 1), (2, 1), 2, 1),
    "both": ((2, 2), (1, 1), (1, 1), 2, 4),
}


@pytest.fixture(params=["torch", "torchvision"])
def backend(request, monkeypatch):
    """Run the operators on each backend that loads here."""
    if request.param == "torchvision":
        extension = pytest.importorskip("torchvision.extension")
        if not extension._has_ops():
            pytest.skip("torchvision's operators do not load beside this torch")
    monkeypatch.setattr(module, "ops_backend", lambda: request.param)


def tensors(case, seed=0):
    """Make input, offset, mask, weight in double; many samples lie outside of the map."""
    stride, padding, dilation, groups, deform_groups = case
    generator = torch.Generator().manual_seed(seed)
    kernel = (3, 2)
    size = [
        (extent + 2 * p - d * (k - 1) - 1) // s + 1
        for extent, p, d, k, s in zip((5, 6), padding, dilation, kernel, stride, strict=True)
    ]

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.double)

    cells = kernel[0] * kernel[1] * deform_groups
    offset = 2 * random(2, 2 * cells, *size)
    mask = random(2, cells, *size).sigmoid()
    return random(2, 4, 5, 6), offset, mask, random(6, 4 // groups, *kernel)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_forward_equals_plain_loops(case, backend):
    features, offset, mask, weight = tensors(case)
    bias = torch.arange(6.0, dtype=torch.double)
    arrays = [tensor.numpy() for tensor in (features, offset, weight)]
    plain = deform_conv2d(features, offset, weight, *case)
    ones = np.ones(mask.shape)
    np.testing.assert_allclose(plain, reference_ops.deform_conv(*arrays, ones, *case), atol=1e-10)
    modulated = modulated_deform_conv2d(features, offset, mask, weight, bias, *case)
    slow = reference_ops.deform_conv(*arrays, mask.numpy(), *case)
    np.testing.assert_allclose(modulated, slow + bias.numpy()[:, None, None], atol=1e-10)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_gradients(case, backend):
    inputs = [tensor.requires_grad_() for tensor in tensors(case)]
    features, offset, _, weight = inputs
    bias = torch.zeros(6, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *args: deform_conv2d(*args, *case), (features, offset, weight), fast_mode=True
    )
    assert torch.autograd.gradcheck(
        lambda *args: modulated_deform_conv2d(*args, *case), (*inputs, bias), fast_mode=True
    )


@pytest.mark.parametrize("pack", [DeformConv2dPack, ModulatedDeformConv2dPack])
def test_a_new_pack_is_a_convolution(pack, backend):
    # Offsets start at 0; the mask of the modulated one at sigmoid(0) = 1/2.
    torch.manual_seed(0)
    layer = pack(4, 6, 3, stride=2, padding=1, deform_groups=2, bias=False)
    features = torch.randn(2, 4, 7, 8, requires_grad=True)
    expected = torch.nn.functional.conv2d(features, layer.weight, None, 2, 1)
    factor = 0.5 if pack is ModulatedDeformConv2dPack else 1.0
    output = layer(features)
    torch.testing.assert_close(output, factor * expected)
    output.square().sum().backward()
    assert layer.conv_offset.weight.grad.abs().sum() > 0
    # Twice in one graph, as in a head that all levels share.
    assert layer(layer.conv_offset(features)[:, :4]).isfinite().all()


def test_gradient_at_whole_cells_looks_ahead(backend):
    # An offset of 0 lies on the kink between two slopes; mmcv takes the one towards larger x.
    features = torch.tensor([[[[1.0, 2.0, 5.0]]]])
    offset = torch.zeros(1, 2, 1, 3, requires_grad=True)
    deform_conv2d(features, offset, torch.ones(1, 1, 1, 1)).sum().backward()
    assert offset.grad[0, 1, 0].tolist() == [1.0, 3.0, -5.0]


@only_stand_in
def test_positions_without_a_cell_read_zero():
    offset = torch.tensor([float("nan"), float("inf"), -1e30, 0.0]).reshape(1, 1, 1, 4)
    offset = torch.cat([torch.zeros_like(offset), offset], 1)
    output = deform_conv2d(torch.ones(1, 1, 1, 4), offset, torch.ones(1, 1, 1, 1))
    assert output.flatten().tolist() == [0.0, 0.0, 0.0, 1.0]


@only_stand_in
@pytest.mark.parametrize(
    ("offset", "mask", "message"),
    [
        ((1, 17, 4, 4), (1, 9, 4, 4), r"offset is \[1, 17, 4, 4\].*need \[1, 18, 4, 4\]"),
        ((1, 18, 4, 5), (1, 9, 4, 4), r"offset is \[1, 18, 4, 5\]"),
        ((1, 18, 4, 4), (1, 1, 4, 4), r"mask is \[1, 1, 4, 4\].*need \[1, 9, 4, 4\]"),
    ],
)
def test_shapes_that_do_not_fit_are_named(offset, mask, message):
    with pytest.raises(ValueError, match=message):
        modulated_deform_conv2d(
            torch.zeros(1, 2, 4, 4),
            torch.zeros(offset),
            torch.zeros(mask),
            torch.zeros(2, 2, 3, 3),
            None,
            1,
            1,
        )
