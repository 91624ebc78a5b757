"""Boxes follow what the image still shows of people."""

import numpy as np
import pytest
import torch

from mmktn.datasets.transforms import FitBoxesToVisible, PackDensePoseInputs
from mmktn.structures import DensePoseAnnotations
from mmktn.structures.box_grid import box_relative_to_image
from tests.fake_annotations import fake_annotation


def results_of(boxes, hw=(100, 120)):
    """People seen in the middle half of their box, with points on its diagonal."""
    rng = np.random.default_rng(0)
    people = []
    for _ in boxes:
        person = fake_annotation(rng, 16)
        person.coarse_map[:] = 0
        person.coarse_map[64:192, 64:192] = 3
        person.point_xy = torch.linspace(0.26, 0.74, 16)[:, None].repeat(1, 2)
        people.append(person)
    boxes = np.array(boxes, np.float32)
    return {
        "img": np.zeros((*hw, 3), np.uint8),
        "img_shape": hw,
        "ori_shape": hw,
        "gt_bboxes": torch.from_numpy(boxes),
        "gt_bboxes_labels": np.arange(len(boxes)),
        "gt_ignore_flags": np.zeros(len(boxes), bool),
        "gt_densepose": DensePoseAnnotations(people),
        "gt_densepose_boxes": boxes,
        "instances": [{"bbox": box.tolist()} for box in boxes],
    }


def places(results):
    """Pixel of every point of every person."""
    return [
        box_relative_to_image(item.point_xy, box)
        for item, box in zip(
            results["gt_densepose"], torch.from_numpy(results["gt_densepose_boxes"]), strict=True
        )
    ]


def test_box_is_drawn_around_what_the_coarse_map_shows():
    results = FitBoxesToVisible()(results_of([[20, 10, 100, 90]]))
    assert results["gt_bboxes"].tensor.tolist() == [[40, 30, 80, 70]]
    assert results["gt_densepose"][0].coarse_map.eq(3).all()


def test_box_ends_at_the_border_and_points_stay_where_they_are():
    before = results_of([[-40, -30, 60, 50], [70, 50, 110, 90]])
    points = places(before)
    after = FitBoxesToVisible(min_points=8)(before)
    assert after["gt_bboxes"].tensor.tolist() == [[0, 0, 35, 30], [80, 60, 100, 80]]
    for ours, theirs in zip(places(after), points, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3)


def test_who_shows_too_little_is_taken_out_everywhere():
    # The second shows a strip of 5 pixels, the third nothing, the fourth 3 of its points.
    boxes = [[20, 10, 100, 90], [100, 10, 160, 70], [130, 10, 160, 40], [-60, 10, 28, 90]]
    results = FitBoxesToVisible(min_side=6)(results_of(boxes))
    assert results["gt_bboxes_labels"].tolist() == [0]
    assert len(results["gt_densepose"]) == len(results["instances"]) == 1
    assert len(results["gt_ignore_flags"]) == len(results["gt_bboxes"]) == 1
    assert results["gt_densepose_boxes"].shape == (1, 4)


@pytest.mark.parametrize("boxes", [[[20, 10, 100, 90], [130, 0, 190, 60]], [[130, 0, 190, 60]]])
def test_results_pack(boxes):
    packed = PackDensePoseInputs(meta_keys=())(FitBoxesToVisible()(results_of(boxes)))
    truth = packed["data_samples"].gt_instances
    assert len(truth.bboxes) == len(truth.labels) == len(truth.densepose) == len(boxes) - 1


def test_person_without_dense_pose_is_cut_at_the_border():
    results = results_of([[-40, -30, 60, 50]])
    person = results["gt_densepose"][0]
    results["gt_densepose"] = DensePoseAnnotations([type(person).without_densepose()])
    assert FitBoxesToVisible()(results)["gt_bboxes"].tensor.tolist() == [[0, 0, 60, 50]]
