import math

import pytest
import torch

from mmktn.models.losses import keypoint_map_loss
from tests.test_models.test_losses.fixtures import make_targets, no_targets


def test_equal_logits_cost_the_logarithm_of_the_cells():
    loss = keypoint_map_loss(torch.zeros(2, 17, 6, 8), make_targets())
    assert loss.item() == pytest.approx(math.log(48), rel=1e-6)


def test_mean_runs_over_labelled_keypoints():
    targets = make_targets()
    maps = torch.randn(2, 17, 8, 8, dtype=torch.float64)
    cells, valid = targets.keypoint_cells((8, 8))
    probabilities = maps.flatten(2).log_softmax(dim=2).gather(2, cells[..., None])[..., 0]
    torch.testing.assert_close(keypoint_map_loss(maps, targets), -probabilities[valid].mean())


def test_hidden_from_the_annotator_teaches_nothing():
    targets = make_targets()
    targets.keypoint_labelled = torch.zeros_like(targets.keypoint_labelled)
    maps = torch.randn(2, 17, 8, 8, requires_grad=True)
    value = keypoint_map_loss(maps, targets)
    assert value.item() == 0
    value.backward()
    assert not maps.grad.any()


def test_no_roi_is_zero_and_keeps_the_graph():
    maps = torch.zeros(0, 17, 8, 8, requires_grad=True)
    keypoint_map_loss(maps, no_targets()).backward()
    assert maps.grad is not None


def test_other_number_of_keypoints_is_an_error():
    with pytest.raises(ValueError, match="17 keypoints annotated, 14 predicted"):
        keypoint_map_loss(torch.zeros(2, 14, 8, 8), make_targets())


def test_gradcheck_in_float64():
    targets = make_targets()
    maps = torch.randn(2, 17, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m: keypoint_map_loss(m, targets), (maps,))
