"""Focal losses and deformable attention through mmcv.ops, against autograd on their formulas."""

import pytest
import torch
from mmcv.ops import sigmoid_focal_loss, softmax_focal_loss
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)

from mmktn.compat import mmcv_ext

# mmcv's compiled losses and attention exist on a GPU only.
pytestmark = pytest.mark.skipif(not mmcv_ext.is_active(), reason="the compiled mmcv._ext is in use")
LOGITS = [[0.5, -1.0, 2.0], [1.5, 0.0, -0.5], [0.1, 0.2, 0.3]]


def logits():
    return torch.tensor(LOGITS, dtype=torch.double, requires_grad=True)


def test_sigmoid_by_hand():
    # p = 1/2 for a logit of 0: 0.25 * 0.5^2 * ln 2 for the own class, 0.75 * ... for the other.
    loss = sigmoid_focal_loss(torch.zeros(1, 2), torch.tensor([1]), 2.0, 0.25, None, "none")
    expected = torch.tensor([[0.75, 0.25]]) * 0.25 * torch.tensor(2.0).log()
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 2.0, 0.5], dtype=torch.double)])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_sigmoid_against_its_formula(weight, reduction):
    # The last row is background: class 3 of 3, which has no weight of its own.
    target = torch.tensor([2, 0, 3])
    ours, formula = logits(), logits()
    sigmoid_focal_loss(ours, target, 2.0, 0.25, weight, reduction).backward()
    own = torch.nn.functional.one_hot(target, 4)[:, :3].double()
    p = formula.sigmoid()
    missed = own * (1 - p) + (1 - own) * p
    alpha = own * 0.25 + (1 - own) * 0.75
    loss = -alpha * missed**2 * (1 - missed).log()
    if weight is not None:
        loss = loss * torch.tensor([0.5, 1.0, 1.0], dtype=torch.double)[:, None]
    loss = loss.sum() if reduction == "sum" else loss.sum() / 3
    loss.backward()
    torch.testing.assert_close(ours.grad, formula.grad)
    value = sigmoid_focal_loss(ours, target, 2.0, 0.25, weight, reduction)
    torch.testing.assert_close(value, loss)


def test_softmax_against_its_formula():
    target = torch.tensor([2, 0, 1])
    weight = torch.tensor([1.0, 2.0, 0.5], dtype=torch.double)
    ours, formula = logits(), logits()
    value = softmax_focal_loss(ours, target, 2.0, 0.25, weight, "sum")
    value.backward()
    p = formula.softmax(1)[range(3), target]
    loss = (-0.25 * (1 - p) ** 2 * p.log() * weight[target]).sum()
    loss.backward()
    torch.testing.assert_close(value, loss)
    torch.testing.assert_close(ours.grad, formula.grad)


def test_softmax_ignores_negative_targets():
    ours = logits()
    loss = softmax_focal_loss(ours, torch.tensor([-1, 0, -1]), 2.0, 0.25, None, "none")
    loss.sum().backward()
    assert loss[[0, 2]].tolist() == [0.0, 0.0]
    assert ours.grad[[0, 2]].abs().sum() == 0
    assert ours.grad[1].abs().sum() > 0


def test_certain_predictions_stay_finite():
    ours = torch.tensor([[200.0, -200.0]], requires_grad=True)
    sigmoid_focal_loss(ours, torch.tensor([1]), 2.0, 0.25, None, "sum").backward()
    assert ours.grad.isfinite().all()


def test_deformable_attention():
    torch.manual_seed(0)
    shapes = torch.tensor([[3, 4], [2, 2]])
    starts = torch.tensor([0, 12])
    leaves = [
        torch.rand(2, 16, 2, 3, dtype=torch.double, requires_grad=True),
        torch.rand(2, 5, 2, 2, 3, 2, dtype=torch.double, requires_grad=True),
        torch.rand(2, 5, 2, 2, 3, dtype=torch.double, requires_grad=True),
    ]
    value, places, weights = leaves
    ours = MultiScaleDeformableAttnFunction.apply(value, shapes, starts, places, weights, 64)
    plain = multi_scale_deformable_attn_pytorch(value, shapes, places, weights)
    torch.testing.assert_close(ours, plain)
    factor = torch.rand_like(plain)
    found = torch.autograd.grad((ours * factor).sum(), leaves)
    expected = torch.autograd.grad((plain * factor).sum(), leaves)
    torch.testing.assert_close(found, expected)
