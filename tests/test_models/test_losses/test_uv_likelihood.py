"""Likelihood of U and V: against torch's densities, and as the loss of the map `sigma_2`."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from mmktn.models.losses import ChartLoss, uv_likelihood_loss, variance_of
from mmktn.models.losses.uv_likelihood import uv_likelihood_terms
from mmktn.models.targets import DenseCells, build_chart_targets
from mmktn.structures import ChartOutput, DensePoseAnnotation, DensePoseAnnotations
from tests.test_models.test_losses.fixtures import make_targets, no_targets

ISO = ("u", "v", "sigma_2")
ANISO = (*ISO, "kappa_u", "kappa_v")
# The official constant is log(2 pi) / 2, a density in two dimensions has log(2 pi).
OFFSET = 0.5 * math.log(2 * math.pi)


def make_maps(names=ANISO, num_rois=2, *, size=6):
    generator = torch.Generator().manual_seed(3)
    return {
        name: torch.randn(num_rois, 25, size, size, generator=generator).double().requires_grad_()
        for name in names
    }


@pytest.mark.parametrize("with_kappa", [False, True])
def test_confidence_terms_are_normal_densities(with_kappa):
    generator = torch.Generator().manual_seed(0)
    du, dv, ku, kv = torch.randn(4, 20, generator=generator, dtype=torch.float64)
    variance = variance_of(torch.linspace(-6, 4, 20, dtype=torch.float64))
    k = torch.stack((ku, kv), dim=1) * with_kappa
    covariance = variance[:, None, None] * torch.eye(2) + k[:, :, None] * k[:, None]
    density = MultivariateNormal(torch.zeros(2).double(), covariance)
    found = uv_likelihood_terms(du, dv, variance, (ku, kv) if with_kappa else None)
    torch.testing.assert_close(found + OFFSET, -density.log_prob(torch.stack((du, dv), dim=1)))


def test_confidence_variance_is_softplus_over_a_floor():
    found = variance_of(torch.tensor([0.0, -100.0, 30.0]))
    torch.testing.assert_close(found, torch.tensor([math.log(2) + 0.01, 0.01, 30.01]))


@pytest.mark.parametrize("names", [ISO, ANISO], ids=["WC1", "WC2"])
def test_confidence_loss_is_the_sum_over_points(names):
    targets = make_targets(num_points=3)
    maps = make_maps(names, size=3)
    double = {name: torch.cat((m, m)) for name, m in maps.items()}
    twice = make_targets(num_points=3)
    twice.roi_index = torch.cat((targets.roi_index, targets.roi_index + 2))
    twice.rois_xyxy = targets.rois_xyxy.repeat(2, 1)
    for name in ("point_xy", "point_uv"):
        setattr(twice, name, getattr(targets, name).repeat(2, 1))
    twice.point_charts = targets.point_charts.repeat(2)
    one = uv_likelihood_loss(maps, targets)
    torch.testing.assert_close(uv_likelihood_loss(double, twice), 2 * one)
    torch.testing.assert_close(uv_likelihood_loss(maps, targets, reduction="mean"), one / 6)
    one.backward()
    for m in maps.values():  # in the charts of the points alone
        touched = m.grad.abs().sum(dim=(0, 2, 3)) > 0
        assert set(touched.nonzero().flatten().tolist()) == set(targets.point_charts.tolist())


def test_confidence_terms_have_exact_gradients():
    du, dv, raw, ku, kv = torch.randn(5, 3, dtype=torch.float64, requires_grad=True).unbind()
    for kappa in (None, (ku, kv)):
        assert torch.autograd.gradcheck(
            lambda *x, k=kappa: uv_likelihood_terms(x[0], x[1], variance_of(x[2]), k and x[3:]),
            (du, dv, raw, ku, kv),
        )


def test_confidence_loss_replaces_those_of_u_and_v():
    output = ChartOutput(make_maps() | {"fine_segm": torch.randn(2, 25, 6, 6).double()})
    targets = make_targets()
    losses = ChartLoss()(output, targets)
    assert set(losses) == {"loss_uv", "loss_fine_segm"}
    torch.testing.assert_close(
        losses["loss_uv"], 0.0005 * uv_likelihood_loss(output.as_dict(), targets)
    )
    scaled = ChartLoss(dict(sigma_2=0.1), uv_reference_images=2)(output, targets, num_images=4)
    torch.testing.assert_close(scaled["loss_uv"], 100 * losses["loss_uv"])
    plain = ChartOutput({name: output[name] for name in ("u", "v")})
    assert set(ChartLoss()(plain, targets)) == {"loss_u", "loss_v"}


def test_confidence_loss_without_points_reaches_every_map():
    maps = make_maps(num_rois=0)
    value = uv_likelihood_loss(maps, no_targets())
    assert value.item() == 0
    value.backward()
    assert all(m.grad is not None for m in maps.values())


def test_confidence_loss_learns_from_cells_of_a_teacher():
    """A labelled cell counts as a point that lies on it."""
    maps = make_maps(num_rois=1)
    cells = DenseCells(
        roi_index=torch.tensor([0]),
        rows=torch.tensor([2]),
        columns=torch.tensor([4]),
        charts=torch.tensor([7]),
        uv=torch.tensor([[0.25, 0.5]]),
        person=torch.tensor([0]),
    )
    empty = make_targets(num_rois=1, num_points=0)
    at = {name: m[0, 7, 2, 4] for name, m in maps.items()}
    expected = uv_likelihood_terms(
        at["u"] - 0.25, at["v"] - 0.5, variance_of(at["sigma_2"]), (at["kappa_u"], at["kappa_v"])
    )
    torch.testing.assert_close(uv_likelihood_loss(maps, empty, cells=cells), expected)


def test_points_labelled_as_background_have_no_u_and_v():
    """Chart 0 trains the classifier; it moves to the end, where background is."""
    annotation = DensePoseAnnotation(
        point_xy=torch.tensor([[0.2, 0.2], [0.5, 0.5], [0.8, 0.8]]),
        point_charts=torch.tensor([0, 3, 9]),
        point_uv=torch.tensor([[0.1, 0.1], [0.3, 0.3], [0.9, 0.9]]),
    )
    box = torch.tensor([[0.0, 0.0, 50.0, 50.0]])
    targets = build_chart_targets(box, box, DensePoseAnnotations([annotation]))
    assert targets.point_charts.tolist() == [3, 9, 0]
    assert targets.num_surface_points == 2
    kept = targets.inside_images([(45, 30)])  # the last of the surface lies beyond column 30
    assert kept.point_charts.tolist() == [3, 0]
    assert kept.num_surface_points == 1
