"""Part segmentation: cases counted by hand, and laws."""

from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.segmentation.labels import SegmentationDetections, true_parts
from mmktn.evaluation.functional.segmentation.parts import count_parts, evaluate_parts


def truth_of(*people: tuple[list[int], np.ndarray | None], image_id: int = 1) -> DensePoseTruth:
    """People of one image from boxes xywh and part maps on the 256 grid (None: no dense pose)."""
    annotations = []
    for key, (box, grid) in enumerate(people, start=1):
        entry: dict[str, Any] = {
            "id": key, "image_id": image_id, "category_id": 1, "iscrowd": 0, "bbox": box,
            "area": 100.0,
        }  # fmt: skip
        if grid is not None:
            masks = [np.asfortranarray(grid == part, dtype=np.uint8) for part in range(1, 15)]
            entry["dp_masks"] = [coco_mask.encode(m) if m.any() else [] for m in masks]
        annotations.append(entry)
    return DensePoseTruth.from_coco(
        {
            "images": [{"id": image_id, "height": 200, "width": 200}],
            "annotations": annotations,
            "categories": [{"id": 1, "name": "person"}],
        }
    )


def found_of(
    *people: tuple[list[int], np.ndarray, float], image_id: int = 1
) -> SegmentationDetections:
    boxes = np.array([box for box, _, _ in people], dtype=float).reshape(-1, 4)
    return SegmentationDetections(
        image_id,
        boxes,
        np.array([score for _, _, score in people], dtype=float),
        [labels.astype(np.uint8) for _, labels, _ in people],
        np.ones(len(people), dtype=int),
    )


def grid_of(left: int, right: int) -> np.ndarray:
    """Left half of the grid one part, right half another."""
    return np.repeat(np.repeat([[left, right]], 128, axis=1), 256, axis=0)


def halves(left: int, right: int, h: int = 10, w: int = 10) -> np.ndarray:
    return np.repeat(np.repeat([[left, right]], w // 2, axis=1), h, axis=0)


BOX = [20, 30, 10, 10]


def test_true_parts_lie_in_the_integer_box():
    placed = true_parts(truth_of(([20.7, 30.2, 10.9, 10.9], grid_of(1, 14))).all_persons()[0], "gt")
    assert (placed.x, placed.y) == (20, 30)
    np.testing.assert_array_equal(placed.labels, halves(1, 14))


def test_truth_as_result_scores_one():
    truth = truth_of((BOX, grid_of(1, 14)), ([100, 100, 40, 60], grid_of(0, 3)))
    people = [(p.box_xywh.tolist(), true_parts(p, "gt").labels, 0.9) for p in truth.all_persons()]
    found = evaluate_parts(truth, [found_of(*people)])
    for name in ("mIoU", "pixel_accuracy", "matched", "APp50", "APp_vol", "AP", "AR"):
        assert found[name] == pytest.approx(1.0), name
    # Two parts and the background occur, nobody shows the others.
    assert found["IoU-torso"] == pytest.approx(1)
    assert found["AP-head"] == pytest.approx(1)


def test_one_person_counted_by_hand():
    # 100 pixels: torso 50, head 50. Found: torso in the left 50, background in the right 50.
    truth = truth_of((BOX, grid_of(1, 14)))
    found = evaluate_parts(truth, [found_of((BOX, halves(1, 0), 0.5))])
    assert found["IoU-torso"] == pytest.approx(1)
    assert found["IoU-head"] == 0
    assert found["IoU-background"] == 0  # 50 predicted, none true
    assert found["mIoU"] == pytest.approx(1 / 3)
    assert found["pixel_accuracy"] == pytest.approx(0.5)
    # Mean over the person's two parts is 0.5: found at thresholds 0.1 to 0.5.
    assert found["APp50"] == pytest.approx(1)
    assert found["APp_vol"] == pytest.approx(5 / 9)
    assert found["AP-torso"] == pytest.approx(1)
    assert found["AP-head"] == 0
    assert found["AP"] == pytest.approx(0.5)  # over the parts that occur


def test_a_box_beside_the_person_counts_what_it_leaves_out_as_background():
    # The detection covers the left 8 of 10 columns and calls all of it torso.
    truth = truth_of((BOX, grid_of(1, 14)))
    found = evaluate_parts(truth, [found_of(([20, 30, 8, 10], np.full((10, 8), 1), 0.5))])
    assert found["IoU-torso"] == pytest.approx(50 / 80)
    assert found["IoU-background"] == 0
    assert found["pixel_accuracy"] == pytest.approx(0.5)


def test_mean_iou_speaks_of_matched_persons_only():
    truth = truth_of((BOX, grid_of(1, 14)), ([120, 30, 10, 10], grid_of(2, 2)))
    found = evaluate_parts(truth, [found_of((BOX, halves(1, 14), 0.5))])
    assert found["mIoU"] == pytest.approx(1)
    assert found["matched"] == pytest.approx(0.5)
    assert found["APp50"] == pytest.approx(51 / 101)  # recall one half at 51 of 101 points


def test_the_better_score_takes_the_person():
    truth = truth_of((BOX, grid_of(1, 14)))
    both = [(BOX, halves(14, 1), 0.9), (BOX, halves(1, 14), 0.8)]
    assert evaluate_parts(truth, [found_of(*both)])["mIoU"] == 0
    assert evaluate_parts(truth, [found_of(both[1], (BOX, halves(14, 1), 0.1))])[
        "mIoU"
    ] == pytest.approx(1)


def test_people_without_parts_are_ignored():
    truth = truth_of((BOX, grid_of(1, 14)), ([120, 30, 10, 10], None))
    right = (BOX, halves(1, 14), 0.5)
    on_other = ([120, 30, 10, 10], halves(1, 14), 0.9)
    assert evaluate_parts(truth, [found_of(right, on_other)])["APp_vol"] == pytest.approx(1)
    elsewhere = ([60, 130, 10, 10], halves(1, 14), 0.9)
    assert evaluate_parts(truth, [found_of(right, elsewhere)])["APp_vol"] == pytest.approx(0.5)
    nobody = truth_of((BOX, None))
    assert count_parts(nobody, found_of(on_other)).persons == []
    assert evaluate_parts(nobody, [found_of(on_other)])["mIoU"] == -1


def test_images_add_up_in_any_order():
    first = truth_of((BOX, grid_of(1, 14)))
    second = truth_of((BOX, grid_of(4, 5)), image_id=2)
    data = {
        "images": [{"id": k, "height": 200, "width": 200} for k in (1, 2)],
        "annotations": [], "categories": [{"id": 1, "name": "person"}],
    }  # fmt: skip
    truth = DensePoseTruth.from_coco(data)
    truth.persons = first.persons | second.persons
    found = [
        found_of((BOX, halves(1, 0), 0.5)),
        found_of((BOX, halves(4, 5), 0.4), image_id=2),
    ]
    assert evaluate_parts(truth, found) == evaluate_parts(truth, found[::-1])


def test_bad_labels_are_named():
    with pytest.raises(ValueError, match=r"map 0 holds label 15, not 0\.\.14"):
        evaluate_parts(truth_of((BOX, grid_of(1, 2))), [found_of((BOX, halves(15, 1), 0.5))])
