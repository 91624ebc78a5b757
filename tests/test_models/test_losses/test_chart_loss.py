import pytest
import torch

from mmktn.models.losses import (
    ChartLoss,
    chart_coordinate_loss,
    coarse_segm_loss,
    fine_segm_loss,
    keypoint_map_loss,
)
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput
from tests.test_models.test_losses.fixtures import make_targets, no_targets

CHANNELS = {
    "fine_segm": 25,
    "u": 25,
    "v": 25,
    "coarse_segm": 15,
    "body_mask": 2,
    "keypoint_heatmaps": 17,
}


def make_output(num_rois=2, names=tuple(CHANNELS), *, size=8):
    generator = torch.Generator().manual_seed(1)
    return ChartOutput(
        **{
            name: torch.randn(
                num_rois, CHANNELS[name], size, size, generator=generator, dtype=torch.float64
            ).requires_grad_()
            for name in names
        }
    )


def test_weights_multiply_the_terms():
    output, targets = make_output(), make_targets()
    loss = MODELS.build(
        {
            "type": "mmktn.ChartLoss",
            "weights": {
                "fine_segm": 2.0,
                "u": 0.5,
                "v": 0.5,
                "coarse_segm": 3.0,
                "body_mask": 7.0,
                "keypoint_heatmaps": 0.25,
            },
        }
    )
    expected = {
        "loss_fine_segm": 2.0 * fine_segm_loss(output["fine_segm"], targets),
        "loss_u": 0.5 * chart_coordinate_loss(output["u"], targets, coordinate=0),
        "loss_v": 0.5 * chart_coordinate_loss(output["v"], targets, coordinate=1),
        "loss_coarse_segm": 3.0 * coarse_segm_loss(output["coarse_segm"], targets),
        "loss_body_mask": 7.0 * coarse_segm_loss(output["body_mask"], targets),
        "loss_keypoint": 0.25 * keypoint_map_loss(output["keypoint_heatmaps"], targets),
    }
    found = loss(output, targets)
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_only_predicted_maps_have_a_loss():
    losses = ChartLoss()(make_output(names=("fine_segm", "u", "v", "coarse_segm")), make_targets())
    assert set(losses) == {"loss_fine_segm", "loss_u", "loss_v", "loss_coarse_segm"}


def test_empty_batch_reaches_every_map():
    output = make_output(num_rois=0)
    losses = ChartLoss()(output, no_targets())
    assert len(losses) == 6
    assert all(value.item() == 0 for value in losses.values())
    sum(losses.values()).backward()
    assert all(maps.grad is not None for _, maps in output.items())


def test_order_of_the_rois_does_not_matter():
    order = torch.tensor([1, 0])
    output, targets = make_output(), make_targets()
    before = ChartLoss()(output, targets)
    targets.roi_index = order[targets.roi_index]
    targets.coarse_index = order[targets.coarse_index]
    targets.keypoint_xy, targets.keypoint_labelled = (
        targets.keypoint_xy[order],
        targets.keypoint_labelled[order],
    )
    after = ChartLoss()(output[order], targets)
    for name, value in before.items():
        torch.testing.assert_close(after[name], value)


def test_uv_weight_keeps_its_meaning_with_another_batch():
    """Quoted for 2 images on a GPU; 8 images carry four times the points."""
    output, targets = make_output(), make_targets()
    plain = ChartLoss()(output, targets)
    scaled = ChartLoss(uv_reference_images=2)(output, targets, num_images=8)
    torch.testing.assert_close(scaled["loss_u"], plain["loss_u"] * 2 / 8)
    torch.testing.assert_close(scaled["loss_fine_segm"], plain["loss_fine_segm"])
    with pytest.raises(ValueError, match="num_images"):
        ChartLoss(uv_reference_images=2)(output, targets)


def test_numbers_of_rois_that_differ_are_an_error():
    with pytest.raises(ValueError, match="3 RoIs predicted, targets for 2"):
        ChartLoss()(make_output(num_rois=3), make_targets())


def test_heatmaps_of_another_size_share_the_targets():
    """Version 1 of KTM learns keypoints on 56 cells beside maps of 112."""
    output, targets = make_output(), make_targets()
    small = torch.zeros(2, 17, 4, 4, dtype=torch.float64)
    output = output.replace(keypoint_heatmaps=small)
    found = ChartLoss(weights=dict(keypoint_heatmaps=1.0))(output, targets)["loss_keypoint"]
    torch.testing.assert_close(found, keypoint_map_loss(small, targets))
