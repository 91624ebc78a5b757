import math

import pytest
import torch
import torch.nn.functional as F

from mmktn.models.losses import coarse_segm_loss, fine_segm_loss
from mmktn.models.targets import sample_maps_at_points
from tests.test_models.test_losses.fixtures import make_targets, no_targets


def test_equal_logits_cost_the_logarithm_of_the_classes():
    targets = make_targets()
    assert fine_segm_loss(torch.zeros(2, 25, 8, 8), targets).item() == pytest.approx(math.log(25))
    assert coarse_segm_loss(torch.zeros(2, 15, 8, 8), targets).item() == pytest.approx(math.log(15))


def test_fine_loss_is_the_mean_over_points_of_all_rois():
    targets = make_targets()
    maps = torch.randn(2, 25, 8, 8, dtype=torch.float64)
    logits = sample_maps_at_points(maps, targets.roi_index, targets.point_grid((8, 8)))
    expected = -logits.log_softmax(dim=1)[torch.arange(10), targets.point_charts].mean()
    torch.testing.assert_close(fine_segm_loss(maps, targets), expected)


def test_coarse_loss_is_the_mean_over_cells_of_all_rois():
    targets = make_targets()
    logits = torch.randn(2, 15, 8, 8, dtype=torch.float64)
    target = targets.coarse_target((8, 8))
    expected = -logits.log_softmax(dim=1).gather(1, target[:, None]).mean()
    torch.testing.assert_close(coarse_segm_loss(logits, targets), expected)


def test_two_channels_mean_person_or_not():
    targets = make_targets()
    logits = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    binary = (targets.coarse_target((8, 8)) > 0).long()
    expected = F.cross_entropy(logits, binary)
    torch.testing.assert_close(coarse_segm_loss(logits, targets), expected)


def test_cells_away_from_points_do_not_matter():
    """Background is never a target: unlabelled pixels are neither right nor wrong."""
    targets = make_targets(num_points=2)
    maps = torch.randn(2, 25, 16, 16, dtype=torch.float64)
    before = fine_segm_loss(maps, targets)
    cells = targets.point_grid((16, 16)).floor().long()
    used = torch.zeros(2, 16, 16, dtype=torch.bool)
    for dx in (0, 1):
        for dy in (0, 1):
            used[targets.roi_index, cells[:, 1] + dy, cells[:, 0] + dx] = True
    maps = torch.where(used[:, None], maps, torch.randn_like(maps))
    assert torch.equal(fine_segm_loss(maps, targets), before)


def test_half_pixel_option_moves_the_points_by_half_a_cell():
    targets = make_targets(num_rois=1, num_points=3)
    maps = torch.randn(1, 25, 8, 8, dtype=torch.float64)
    grid = (targets.point_grid((8, 8)) - 0.5).clamp(min=0)
    logits = sample_maps_at_points(maps, targets.roi_index, grid)
    expected = F.cross_entropy(logits, targets.point_charts)
    torch.testing.assert_close(fine_segm_loss(maps, targets, half_pixel=True), expected)


def test_half_pixel_reads_the_first_cell_before_its_centre():
    """As decoding, which repeats the outermost cells."""
    targets = make_targets(num_rois=1, num_points=1)
    x1, y1, x2, y2 = targets.rois_xyxy[0].tolist()
    targets.point_xy = torch.tensor([[x1 + (x2 - x1) / 100, y1 + (y2 - y1) / 100]]).double()
    maps = torch.randn(1, 25, 8, 8, dtype=torch.float64)
    expected = F.cross_entropy(maps[:, :, 0, 0], targets.point_charts)
    torch.testing.assert_close(fine_segm_loss(maps, targets, half_pixel=True), expected)


@pytest.mark.parametrize("loss", [fine_segm_loss, coarse_segm_loss])
def test_nothing_to_learn_is_zero_and_keeps_the_graph(loss):
    maps = torch.zeros(0, 25, 8, 8, requires_grad=True)
    value = loss(maps, no_targets())
    assert value.item() == 0
    value.backward()
    assert maps.grad.shape == maps.shape


@pytest.mark.parametrize("loss", [fine_segm_loss, coarse_segm_loss])
def test_gradcheck_in_float64(loss):
    targets = make_targets(num_points=2)
    maps = torch.randn(2, 25, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m: loss(m, targets), (maps,))


@pytest.mark.parametrize("loss", [fine_segm_loss, coarse_segm_loss])
def test_bfloat16_maps_are_summed_in_float32(loss):
    maps = torch.randn(2, 25, 8, 8).to(torch.bfloat16)
    value = loss(maps, make_targets())
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(maps.float(), make_targets()))
