import pytest
import torch

from mmktn.models.losses import chart_coordinate_loss
from tests.test_models.test_losses.fixtures import make_targets, no_targets


@pytest.mark.parametrize("coordinate", [0, 1])
def test_errors_of_the_true_chart_are_summed(coordinate):
    """Smooth L1, beta 1: half the square below 1, minus a half above."""
    targets = make_targets(num_rois=1, num_points=3)
    labels = targets.point_uv[:, coordinate]
    maps = torch.full((1, 25, 8, 8), 99.0, dtype=torch.float64)
    errors = [0.2, -0.5, 3.0]
    for chart, label, error in zip(targets.point_charts, labels, errors, strict=True):
        maps[0, chart] = label + error
    assert len(set(targets.point_charts.tolist())) == 3
    expected = 0.5 * 0.2**2 + 0.5 * 0.5**2 + (3.0 - 0.5)
    found = chart_coordinate_loss(maps, targets, coordinate=coordinate)
    assert found.item() == pytest.approx(expected)


def test_twice_the_rois_is_twice_the_loss():
    """A sum, divided by nothing."""
    maps = torch.zeros(1, 25, 8, 8, dtype=torch.float64)
    one = chart_coordinate_loss(maps, make_targets(num_rois=1), coordinate=0)
    targets = make_targets(num_rois=1)
    targets.point_uv = targets.point_uv.repeat(2, 1)
    for name in ("roi_index", "point_charts"):
        setattr(targets, name, getattr(targets, name).repeat(2))
    targets.point_xy = targets.point_xy.repeat(2, 1)
    torch.testing.assert_close(chart_coordinate_loss(maps, targets, coordinate=0), 2 * one)


def test_other_charts_get_no_gradient():
    targets = make_targets(num_rois=1, num_points=4)
    maps = torch.zeros(1, 25, 8, 8, dtype=torch.float64, requires_grad=True)
    chart_coordinate_loss(maps, targets, coordinate=1).backward()
    touched = maps.grad.abs().sum(dim=(0, 2, 3)) > 0
    assert set(touched.nonzero().flatten().tolist()) == set(targets.point_charts.tolist())


def test_no_point_is_zero_and_keeps_the_graph():
    maps = torch.zeros(0, 25, 8, 8, requires_grad=True)
    value = chart_coordinate_loss(maps, no_targets(), coordinate=0)
    assert value.item() == 0
    value.backward()
    assert maps.grad is not None


def test_gradcheck_in_float64():
    targets = make_targets(num_points=2)
    maps = torch.randn(2, 25, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m: chart_coordinate_loss(m, targets, coordinate=1), maps)
