"""NMS of mmktn.compat against a plain loop, and the compiled operator where it is installed."""

import pytest
import torch

from mmktn.compat import real_spec
from mmktn.compat.nms import nms
from tests.test_compat import reference_ops

HAS_COMPILED = real_spec("mmcv._ext") is not None


def random_boxes(count, seed, extent=100.0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * extent
    size = torch.rand(count, 2, generator=generator) * 40
    # Distinct, since equal scores have no order of their own.
    scores = torch.randperm(count, generator=generator) / count
    return torch.cat([corner, corner + size], 1), scores


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("count", [1, 40, 600])  # 600 is more than one block
def test_equals_a_plain_loop(count, threshold, offset):
    boxes, scores = random_boxes(count, seed=count)
    kept = nms(boxes.double(), scores.double(), threshold, offset)
    assert kept.tolist() == reference_ops.nms(
        boxes.double().tolist(), scores.double().tolist(), threshold, offset
    )


def test_equal_overlap_is_kept():
    # IoU is exactly 1/2 by hand: 2 of 4 cells; only a strictly larger one is dropped.
    boxes = torch.tensor([[0.0, 0, 4, 1], [0.0, 0, 2, 1]])
    scores = torch.tensor([0.9, 0.8])
    assert nms(boxes, scores, 0.5, 0).tolist() == [0, 1]
    assert nms(boxes, scores, 0.499, 0).tolist() == [0]


def test_offset_by_hand():
    # Pixel boxes of 2 and 1 pixels: IoU 1/2 with the offset, undefined extent 1 and 0 without it.
    boxes = torch.tensor([[0.0, 0, 1, 0], [0.0, 0, 0, 0]])
    scores = torch.tensor([0.9, 0.8])
    assert nms(boxes, scores, 0.4, 1).tolist() == [0]
    assert nms(boxes, scores, 0.4, 0).tolist() == [0, 1]


def test_equal_scores_keep_the_first():
    boxes = torch.tensor([[0.0, 0, 4, 4]]).repeat(5, 1)
    assert nms(boxes, torch.full((5,), 0.5), 0.5, 0).tolist() == [0]


def test_order_is_by_score():
    boxes = torch.tensor([[0.0, 0, 1, 1], [5.0, 5, 6, 6], [9.0, 9, 10, 10]])
    assert nms(boxes, torch.tensor([0.1, 0.9, 0.5]), 0.5, 0).tolist() == [1, 2, 0]


def test_groups_that_lie_apart_do_not_change_the_result():
    """As batched_nms moves classes: three sets of boxes side by side, some touching the next."""
    sets = [random_boxes(200, seed=seed) for seed in (1, 2, 3)]
    shift = torch.tensor([1.0, 1.0, 1.0, 1.0]) * 141
    boxes = torch.cat([each + shift * k for k, (each, _) in enumerate(sets)]).double()
    scores = (torch.randperm(600, generator=torch.Generator().manual_seed(0)) / 600).double()
    for offset in (0, 1):
        expected = reference_ops.nms(boxes.tolist(), scores.tolist(), 0.3, offset)
        assert nms(boxes, scores, 0.3, offset).tolist() == expected


def test_boxes_that_share_their_last_pixel_meet():
    boxes = torch.tensor([[0.0, 0, 1, 1], [1.0, 0, 2, 1]])
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.3, 1).tolist() == [0]
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.3, 0).tolist() == [0, 1]


def test_no_boxes_and_a_threshold_below_zero():
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5, 0).tolist() == []
    boxes = torch.tensor([[0.0, 0, 1, 1], [8.0, 8, 9, 9]])
    assert nms(boxes, torch.tensor([0.9, 0.8]), -1.0, 0).tolist() == [0]


@pytest.mark.skipif(not HAS_COMPILED, reason="mmcv's compiled operators are not installed")
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.7])
def test_equals_compiled_mmcv(threshold, offset):
    from mmktn.compat.import_hooks import real_module

    compiled = real_module("mmcv._ext")
    boxes, scores = random_boxes(3000, seed=7, extent=400.0)
    expected = compiled.nms(boxes, scores, iou_threshold=threshold, offset=offset)
    assert nms(boxes, scores, threshold, offset).tolist() == expected.tolist()


@pytest.mark.cuda
def test_same_on_cuda():
    boxes, scores = random_boxes(700, seed=4)
    kept = nms(boxes.cuda(), scores.cuda(), 0.5, 0)
    assert kept.is_cuda
    assert kept.tolist() == nms(boxes, scores, 0.5, 0).tolist()
