"""The body learned from instance masks, and from batches in which nobody has points."""

import pytest
import torch
import torch.nn.functional as F

from mmktn.models.losses import ChartLoss
from mmktn.models.targets import build_chart_targets
from mmktn.structures import ChartOutput, DensePoseAnnotation, DensePoseAnnotations

BOXES = torch.tensor([[0.0, 0, 8, 8], [0.0, 0, 8, 8]])


def person(*, points=2, coarse=True):
    return DensePoseAnnotation(
        point_xy=torch.full((points, 2), 0.4),
        point_charts=torch.ones(points, dtype=torch.int64),
        point_uv=torch.zeros(points, 2),
        coarse_map=torch.ones(256, 256, dtype=torch.uint8) if coarse else None,
    )


NOBODY = DensePoseAnnotation.without_densepose()


def coarse_loss(annotations, masks=None, **options):
    logits = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    logits.requires_grad_()
    targets = build_chart_targets(BOXES, BOXES, DensePoseAnnotations(annotations), roi_masks=masks)
    losses = ChartLoss(weights={"coarse_segm": 1.0}, **options)(
        ChartOutput(coarse_segm=logits), targets
    )
    return logits, losses["loss_coarse_segm"]


def masks():
    found = torch.zeros(2, 4, 4, dtype=torch.bool)
    found[:, 1:3] = True
    return found


def test_masks_take_the_place_of_part_masks_for_all_boxes():
    logits, loss = coarse_loss([person(), NOBODY], masks(), coarse_from_masks=True)
    assert loss == F.cross_entropy(logits, masks().long())


def test_a_batch_without_points_learns_from_masks_on_request_alone():
    logits, loss = coarse_loss([NOBODY, NOBODY], masks(), coarse_from_masks=True)
    assert loss == 0
    loss.backward()
    assert logits.grad is not None
    logits, loss = coarse_loss([NOBODY, NOBODY], masks(), coarse_from_masks=True, masks_alone=True)
    assert loss == F.cross_entropy(logits, masks().long())


def test_missing_masks_are_said():
    with pytest.raises(ValueError, match="with_mask=True"):
        coarse_loss([person(), person()], None, coarse_from_masks=True)
    with pytest.raises(ValueError, match="masks_alone"):
        ChartLoss(masks_alone=True)


def test_one_person_without_a_coarse_map_silences_the_batch_as_officially():
    both = [person(), person(coarse=False)]
    assert coarse_loss(both, coarse_needs_all=True)[1] == 0
    assert coarse_loss(both)[1] > 0
    assert coarse_loss([person(), NOBODY], coarse_needs_all=True)[1] > 0
