"""Losses with labels of a teacher, background points and means instead of sums, by hand."""

import pytest
import torch
import torch.nn.functional as F

from mmktn.models.losses import ChartLoss, chart_coordinate_loss, fine_segm_loss
from mmktn.models.targets import build_chart_targets
from mmktn.structures import ChartOutput, DensePoseAnnotation, DensePoseAnnotations

BOX = torch.tensor([[0.0, 0.0, 8.0, 8.0]])


def make_targets(dense=True):
    """One annotated point at cell (2, 4), every cell labelled chart 5, U = V = 51.5 / 255."""
    dense_labels = torch.full((4, 256, 256), 51, dtype=torch.uint8)
    dense_labels[0] = 5
    item = DensePoseAnnotation(
        point_xy=torch.tensor([[0.5, 0.25]]),
        point_charts=torch.tensor([3]),
        point_uv=torch.tensor([[0.25, 0.75]]),
        dense_labels=dense_labels if dense else None,
    )
    return build_chart_targets(BOX, BOX, DensePoseAnnotations([item]))


def make_output():
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(1, 25, 8, 8, generator=generator).requires_grad_() for _ in range(3)]
    return ChartOutput(dict(zip(("fine_segm", "u", "v"), maps, strict=True)))


def smooth_l1(x):
    return torch.where(x.abs() < 1, x * x / 2, x.abs() - 0.5)


def test_every_cell_but_the_annotated_one_is_one_more_point():
    output, targets = make_output(), make_targets()
    logs = output["fine_segm"].log_softmax(dim=1)[0]
    expected = -(logs[5].sum() - logs[5, 2, 4] + logs[3, 2, 4]) / 64
    found = ChartLoss(weights=dict(fine_segm=1.0))(output, targets)["loss_fine_segm"]
    torch.testing.assert_close(found, expected)


def test_uv_sum_over_drawn_cells_and_points():
    """With as many draws as there are cells the draw is everything."""
    output, targets = make_output(), make_targets()
    losses = ChartLoss(weights=dict(u=0.5, v=0.5), dense_uv_points=64)(output, targets)
    for name, label in (("u", 0.25), ("v", 0.75)):
        maps = output[name][0]
        dense = smooth_l1(maps[5] - 51.5 / 255)
        expected = dense.sum() - dense[2, 4] + smooth_l1(maps[3, 2, 4] - label)
        torch.testing.assert_close(losses[f"loss_{name}"], 0.5 * expected)


def test_number_of_drawn_cells_bounds_the_sum():
    output, targets = make_output(), make_targets()
    output = output.replace(u=torch.full_like(output["u"], 51.5 / 255 + 3.0))  # each cell costs 2.5
    torch.manual_seed(1)
    point = float(smooth_l1(output["u"][0, 3, 2, 4] - 0.25))
    found = ChartLoss(weights=dict(u=1.0, v=1.0), dense_uv_points=10)(output, targets)["loss_u"]
    assert float(found) == pytest.approx(10 * 2.5 + point, rel=1e-5)


def test_cells_of_each_chart_train_charts_and_coordinates():
    targets = make_targets()
    targets.dense_labels[0, 0, :, :128] = 6  # as many cells as chart 5, one of them annotated
    output = make_output()
    output = output.replace(u=torch.full_like(output["u"], 51.5 / 255 + 3.0))  # each cell costs 2.5
    output = output.replace(fine_segm=torch.zeros(1, 25, 8, 8))
    output["fine_segm"][:, 5] = 1.0
    losses = ChartLoss(weights=dict(fine_segm=1.0, u=1.0, v=1.0), dense_points_per_chart=2)(
        output, targets
    )
    point = float(smooth_l1(output["u"][0, 3, 2, 4] - 0.25))
    assert float(losses["loss_u"]) == pytest.approx(4 * 2.5 + point, rel=1e-5)
    logs = output["fine_segm"][0, :, 0, 0].log_softmax(dim=0)
    # Two cells of chart 5, two of chart 6, the point of chart 3.
    expected = -(2 * logs[5] + 2 * logs[6] + logs[3]) / 5
    assert float(losses["loss_fine_segm"]) == pytest.approx(float(expected), rel=1e-5)


def test_dense_labels_without_a_point():
    targets = make_targets()
    targets.roi_index = targets.roi_index[:0]
    targets.point_xy, targets.point_uv = targets.point_xy[:0], targets.point_uv[:0]
    targets.point_charts = targets.point_charts[:0]
    output = make_output()
    logs = output["fine_segm"].log_softmax(dim=1)[0]
    found = ChartLoss()(output, targets)["loss_fine_segm"]
    torch.testing.assert_close(found, -logs[5].mean())


def test_without_dense_labels_nothing_changes():
    output, targets = make_output(), make_targets(dense=False)
    losses = ChartLoss(dense_uv_points=3)(output, targets)
    torch.testing.assert_close(
        losses["loss_fine_segm"], fine_segm_loss(output["fine_segm"], targets)
    )


def test_background_trains_the_classifier_alone():
    output = make_output()
    plain = make_targets(dense=False)
    targets = plain.with_background(torch.tensor([0, 0]), torch.tensor([[1.0, 1.0], [6.0, 3.0]]))
    logs = output["fine_segm"].log_softmax(dim=1)[0]
    expected = -(logs[3, 2, 4] + logs[0, 1, 1] + logs[0, 3, 6]) / 3
    torch.testing.assert_close(fine_segm_loss(output["fine_segm"], targets), expected)
    for reduction in ("sum", "mean"):
        torch.testing.assert_close(
            chart_coordinate_loss(output["u"], targets, coordinate=0, reduction=reduction),
            F.smooth_l1_loss(output["u"][0, 3, 2, 4], torch.tensor(0.25)),
        )


def test_mean_over_points():
    output, targets = make_output(), make_targets()
    summed = ChartLoss(weights=dict(u=1.0, v=1.0), dense_uv_points=64)(output, targets)["loss_v"]
    mean = ChartLoss(weights=dict(u=1.0, v=1.0), dense_uv_points=64, uv_reduction="mean")(
        output, targets
    )
    torch.testing.assert_close(mean["loss_v"], summed / 64)


def test_options_that_contradict_are_refused():
    with pytest.raises(ValueError, match="uv_reduction must be"):
        ChartLoss(uv_reduction="median")
    with pytest.raises(ValueError, match="uv_reference_images"):
        ChartLoss(uv_reduction="mean", uv_reference_images=2)


def test_gradients_reach_labelled_channels_only():
    output = make_output()
    ChartLoss(dense_uv_points=5)(output, make_targets())["loss_u"].backward()
    touched = output["u"].grad[0].abs().amax(dim=(1, 2)) > 0
    assert touched.nonzero()[:, 0].tolist() == [3, 5]
