import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmktn.evaluation.functional.ap.average_precision import accumulate, columns, mean_defined
from mmktn.evaluation.functional.ap.matching import ImagePairs, MatchRules, match_images
from mmktn.evaluation.functional.ap.protocol import AREA_RANGES, similarity_thresholds
from mmktn.evaluation.functional.masks.mask_iou import box_iou_matrix


def boxes_set(seed):
    """Annotations and results of boxes in COCO form: 12 images, 2 categories, crowds."""
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for image in range(1, 13):
        for _ in range(rng.integers(0, 5)):
            box = [*rng.uniform(0, 200, 2), *rng.uniform(10, 150, 2)]
            category = int(rng.integers(1, 3))
            annotations.append({
                "id": len(annotations) + 1, "image_id": image, "category_id": category,
                "bbox": box, "area": box[2] * box[3], "iscrowd": int(rng.random() < 0.15),
            })  # fmt: skip
            for _ in range(rng.integers(0, 3)):
                moved = (np.array(box) + rng.normal(0, 6, 4)).tolist()
                results.append({"image_id": image, "category_id": category, "bbox": moved,
                                "score": int(rng.integers(1, 10)) / 10})  # fmt: skip
    return annotations, results


def pairs_of(annotations, results):
    pairs = []
    for category in (1, 2):
        for image in range(1, 13):
            gt = [a for a in annotations if (a["image_id"], a["category_id"]) == (image, category)]
            dt = [
                k
                for k, r in enumerate(results)
                if (r["image_id"], r["category_id"]) == (image, category)
            ]
            dt.sort(key=lambda k: -results[k]["score"])
            if not gt and not dt:
                continue
            boxes = np.array([results[k]["bbox"] for k in dt]).reshape(-1, 4)
            crowd = np.array([a["iscrowd"] for a in gt], dtype=bool)
            iou = box_iou_matrix(boxes, np.array([a["bbox"] for a in gt]).reshape(-1, 4), crowd)
            pairs.append(ImagePairs(
                image, category, np.array(dt, dtype=int),
                np.array([results[k]["score"] for k in dt]), boxes[:, 2] * boxes[:, 3],
                np.array([a["id"] for a in gt], dtype=int),
                np.array([a["area"] for a in gt]), crowd, crowd, {"iou": iou},
            ))  # fmt: skip
    return pairs


@pytest.mark.parametrize("seed", range(3))
def test_matching_and_accumulation_equal_pycocotools_on_boxes(seed):
    annotations, results = boxes_set(seed)
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i, "width": 400, "height": 400} for i in range(1, 13)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "info": {},
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluator.params.areaRng = AREA_RANGES.tolist()
        evaluator.params.areaRngLbl = ["all", "medium", "large"]
        evaluator.params.maxDets = [100]
        evaluator.evaluate()
        evaluator.accumulate()
    thresholds = similarity_thresholds()
    pairs = pairs_of(annotations, results)
    matches = match_images(pairs, ["iou"], MatchRules(thresholds, AREA_RANGES))
    curves = accumulate(
        pairs, matches, thresholds=thresholds, category_ids=[1, 2], num_similarities=1
    )
    np.testing.assert_allclose(curves.precision[0], evaluator.eval["precision"][..., 0], atol=1e-12)
    np.testing.assert_allclose(curves.recall[0], evaluator.eval["recall"][..., 0], atol=1e-12)


def hand_curves(num_truth=2):
    """Scores 0.9 hit, 0.8 false, 0.7 hit, at every threshold, on two persons."""
    pairs = [ImagePairs(
        1, 1, np.arange(3), np.array([0.9, 0.8, 0.7]), np.full(3, 2000.0),
        np.arange(1, num_truth + 1), np.full(num_truth, 2000.0),
        np.zeros(num_truth, dtype=bool), np.zeros(num_truth, dtype=bool),
        {"s": np.eye(3)[:, [0, 2][:num_truth]]},
    )]  # fmt: skip
    thresholds = similarity_thresholds()
    matches = match_images(pairs, ["s"], MatchRules(thresholds, AREA_RANGES))
    return accumulate(pairs, matches, thresholds=thresholds, category_ids=[1], num_similarities=1)


def test_hand_counted_precision():
    # precision 1 up to recall 0.5 (points 0..50), then 2/3 (points 51..100)
    curve = hand_curves().precision[0, 0, :, 0, 0]
    np.testing.assert_allclose(curve[:51], 1.0)
    np.testing.assert_allclose(curve[51:], 2 / 3)
    found = columns(hand_curves(), 0)
    assert found["AP"].value == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert found["AR"].value == 1
    assert found["AP50"].value == pytest.approx(found["AP"].value)


def test_undefined_columns_say_why():
    found = columns(hand_curves(), 0)
    assert found["APl"].value == -1
    assert found["APl"].reason == "no ground truth in the area range 'large'"
    assert found["APm"].reason == ""
    nothing = accumulate(
        [], [], thresholds=similarity_thresholds(), category_ids=[1], num_similarities=1
    )
    assert columns(nothing, 0)["AP"].reason == "no ground truth that counts in this set"


def test_low_thresholds_add_columns():
    thresholds = similarity_thresholds(0.2)
    assert len(thresholds) == 16
    nothing = accumulate([], [], thresholds=thresholds, category_ids=[1], num_similarities=1)
    assert list(columns(nothing, 0))[:6] == ["AP", "AP20", "AP30", "AP40", "AP50", "AP75"]


def test_thresholds_outside_the_range_are_refused():
    with pytest.raises(ValueError, match="min_threshold"):
        similarity_thresholds(0)


def test_mean_of_defined_values():
    assert mean_defined(np.array([-1.0, 0.5, 1.0])) == 0.75
    assert mean_defined(np.array([-1.0])) == -1
