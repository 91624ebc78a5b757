"""Soft NMS, grouping NMS and overlaps through mmcv.ops, on values worked out by hand."""

import math

import numpy as np
import pytest
import torch
from mmcv.ops import batched_nms, bbox_overlaps, nms_match, soft_nms

from tests.test_compat import reference_ops

# By hand: 0 and 1 share 9 of 11 cells, 0 and 2 share 2 of 18, 1 and 2 share 3 of 17.
BOXES = torch.tensor([[0.0, 0, 10, 1], [1.0, 0, 11, 1], [8.0, 0, 18, 1]])
SCORES = torch.tensor([0.9, 0.8, 0.7])


@pytest.mark.parametrize(
    ("method", "order", "scores"),
    [
        ("naive", [0, 2], [0.9, 0.7]),
        # 1 - 9/11 = 2/11 is left of box 1, whose overlap with 2 is below the threshold.
        ("linear", [0, 2, 1], [0.9, 0.7, 0.8 * 2 / 11]),
        (
            "gaussian",
            [0, 2, 1],
            [
                0.9,
                0.7 * math.exp(-2 * (2 / 18) ** 2),
                0.8 * math.exp(-2 * ((9 / 11) ** 2 + (3 / 17) ** 2)),
            ],
        ),
    ],
)
def test_soft_nms_by_hand(method, order, scores):
    dets, kept = soft_nms(BOXES, SCORES, iou_threshold=0.5, sigma=0.5, method=method)
    assert kept.tolist() == order
    torch.testing.assert_close(dets[:, 4], torch.tensor(scores))
    assert torch.equal(dets[:, :4], BOXES[kept])


def test_soft_nms_takes_a_threshold_that_is_met():
    # The compiled operator compares with >=, plain NMS with >. IoU 1/2 by hand.
    boxes = torch.tensor([[0.0, 0, 4, 1], [0.0, 0, 2, 1]])
    kept = soft_nms(boxes, torch.tensor([0.9, 0.8]), iou_threshold=0.5, method="naive")[1]
    assert kept.tolist() == [0]


def test_soft_nms_offset():
    # Pixels 0-1 and 0: with the offset they share 1 of 2, without it the second box is empty.
    boxes = torch.tensor([[0.0, 0, 1, 0], [0.0, 0, 0, 0]])
    for offset, expected in ((1, 0.8 * 0.5), (0, 0.8)):
        dets, _ = soft_nms(boxes, torch.tensor([0.9, 0.8]), iou_threshold=0.4, offset=offset)
        assert dets[1, 4].item() == pytest.approx(expected)


def test_soft_nms_judges_min_score_after_a_better_box():
    # Box 2 starts below min_score and is dropped by box 0; alone it would stay.
    scores = torch.tensor([0.9, 0.8, 0.05])
    kept = soft_nms(BOXES, scores, iou_threshold=0.9, min_score=0.1)[1]
    assert kept.tolist() == [0, 1]
    assert soft_nms(BOXES[2:], scores[2:], min_score=0.1)[1].tolist() == [0]


def test_soft_nms_order_among_equal_scores():
    # Four equal boxes apart from each other, one that box 0 drops: mmcv moves the last box (5)
    # into the gap of box 1, so it is taken before boxes 2, 3, 4 of the same score.
    boxes = torch.tensor([[x, 0.0, x + 10, 1] for x in (0, 0, 20, 40, 60, 80)])
    kept = soft_nms(boxes, torch.full((6,), 0.5), iou_threshold=0.5, method="naive")[1]
    assert kept.tolist() == [0, 5, 2, 3, 4]


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 2, 1]])
def test_soft_nms_of_empty_boxes(order):
    # Two empty boxes (0, 1) have no IoU, so gaussian leaves box 1 no score. Nothing is higher than
    # that, nor is it higher than anything: the boxes keep their places.
    boxes = torch.tensor([[0.0, 0, 0, 0], [5.0, 5, 5, 5], [8.0, 0, 18, 1]])[order]
    dets, kept = soft_nms(boxes, torch.tensor([0.9, 0.7, 0.7]), method="gaussian")
    assert kept.tolist() == [0, 1, 2]
    by_box = dict(zip(order, dets[:, 4].tolist(), strict=True))
    assert by_box[0] == pytest.approx(0.9)
    assert math.isnan(by_box[1])
    assert by_box[2] == pytest.approx(0.7)


def test_soft_nms_of_numpy_and_nothing():
    dets, kept = soft_nms(BOXES.numpy(), SCORES.numpy(), method="naive", iou_threshold=0.5)
    assert isinstance(dets, np.ndarray)
    assert kept.tolist() == [0, 2]
    dets, kept = soft_nms(torch.zeros(0, 4), torch.zeros(0))
    assert dets.shape == (0, 5)
    assert kept.shape == (0,)


@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
@pytest.mark.parametrize("offset", [0, 1])
def test_soft_nms_equals_a_plain_loop(method, offset):
    generator = torch.Generator().manual_seed(5)
    corner = torch.rand(80, 2, generator=generator) * 30
    boxes = torch.cat([corner, corner + torch.rand(80, 2, generator=generator) * 20], 1)
    scores = torch.rand(80, generator=generator)
    dets, kept = soft_nms(
        boxes, scores, iou_threshold=0.3, sigma=0.4, min_score=0.05, method=method, offset=offset
    )
    order, lowered = reference_ops.soft_nms(
        boxes.tolist(), scores.tolist(), 0.3, 0.4, 0.05, method, offset
    )
    assert kept.tolist() == order
    np.testing.assert_allclose(dets[:, 4].numpy(), lowered, rtol=1e-4)


def test_soft_nms_as_mmdet_calls_it():
    labels = torch.tensor([0, 1, 0])
    config = {"type": "soft_nms", "iou_threshold": 0.05, "min_score": 0.05}
    dets, kept = batched_nms(BOXES, SCORES, labels, config)
    # Boxes 0 and 2 are of one class and share 2 of 18 cells.
    assert kept.tolist() == [0, 1, 2]
    torch.testing.assert_close(dets[:, 4], torch.tensor([0.9, 0.8, 0.7 * 16 / 18]))


def test_nms_match_by_hand():
    dets = torch.cat([BOXES, SCORES[:, None]], 1)[[2, 1, 0]]
    assert [group.tolist() for group in nms_match(dets, 0.5)] == [[2, 1], [0]]
    # 2/18 is met exactly, so all boxes belong to the best one, by descending score.
    assert [group.tolist() for group in nms_match(dets, 0.1)] == [[2, 1, 0]]
    assert nms_match(torch.zeros(0, 5), 0.5) == []


@pytest.mark.parametrize(
    ("mode", "offset", "expected"),
    [
        ("iou", 0, [[9 / 11, 2 / 18], [0.0, 0.0]]),
        ("iof", 0, [[9 / 10, 2 / 10], [0.0, 0.0]]),
        # With the offset the boxes have 11 * 2 cells, and the empty one has 1.
        ("iou", 1, [[20 / 24, 6 / 38], [1 / 22, 0.0]]),
        ("iof", 1, [[20 / 22, 6 / 22], [1.0, 0.0]]),
    ],
)
def test_bbox_overlaps_by_hand(mode, offset, expected):
    first = torch.stack([BOXES[0], torch.tensor([5.0, 0, 5.0, 0])])
    if offset == 0:  # an empty box has no ratio of its own
        first[1] = torch.tensor([50.0, 50, 60, 60])
    result = bbox_overlaps(first, BOXES[1:], mode=mode, offset=offset)
    torch.testing.assert_close(result, torch.tensor(expected))
    aligned = bbox_overlaps(first, BOXES[1:], mode=mode, aligned=True, offset=offset)
    torch.testing.assert_close(aligned, result.diagonal())


def test_bbox_overlaps_of_nothing():
    assert bbox_overlaps(torch.zeros(0, 4), BOXES).shape == (0, 3)
