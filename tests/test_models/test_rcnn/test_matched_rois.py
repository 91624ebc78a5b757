"""Which sampled boxes train a branch."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmktn.models.rcnn.matched_rois import supervised_samples
from tests.fake_annotations import fake_annotations

HEAD = SimpleNamespace(supervised=lambda people: people.valid)


def image(num_boxes: int):
    """Persons 0 and 2 are annotated, 1 is not; every box is the person's own."""
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 40.0, 30.0], [5.0, 5.0, 50.0, 60.0]])
    index = torch.arange(num_boxes) % 3
    sampling = SimpleNamespace(
        pos_priors=boxes[index], pos_gt_bboxes=boxes[index], pos_assigned_gt_inds=index
    )
    people = fake_annotations(np.random.default_rng(0), 3)
    return sampling, InstanceData(bboxes=boxes, densepose=people)


@pytest.mark.parametrize(("limit", "kept"), [(None, 20), (32, 20), (5, 5), (0, 0)])
def test_limit_keeps_a_random_part_of_the_boxes_that_qualify(limit, kept):
    sampling, truth = image(30)
    torch.manual_seed(0)
    (mask,) = supervised_samples([sampling], [truth], head=HEAD, min_iou=0.7, max_boxes=limit)
    assert int(mask.sum()) == kept
    assert not mask[sampling.pos_assigned_gt_inds == 1].any()
    torch.manual_seed(1)
    (other,) = supervised_samples([sampling], [truth], head=HEAD, min_iou=0.7, max_boxes=limit)
    assert torch.equal(mask, other) == (kept in (0, 20))
