"""The xtcocotools stand-in against numbers of the real xtcocotools on the same synthetic data."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from mmktn.compat.xtcocotools_coco import COCO
from mmktn.compat.xtcocotools_eval import COCOeval

DATA = Path(__file__).parents[1] / "data" / "reference" / "metrics"
OUTPUTS = json.loads((DATA / "kp_outputs.json").read_text())
COCO_NAMES = ["AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl"]
CROWD_NAMES = ["AP", "AP50", "AP75", "AR", "AR50", "AR75", "APeasy", "APmedium", "APhard"]
CROWD_SIGMAS = (
    np.array([0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89, 0.79, 0.79])
    / 10
)


def load(name):
    with gzip.open(DATA / name, "rt") as file:
        return json.load(file)


def evaluate(case):
    kind, level = case.split("/")
    truth = COCO(ann_data=load(f"kp_{kind}_gt.json.gz"))
    results = [] if level == "empty" else load(f"kp_{kind}_{level}_results.json.gz")
    detections = truth.loadRes(results)
    if kind == "crowd14":
        evaluation = COCOeval(truth, detections, "keypoints_crowd", CROWD_SIGMAS, use_area=False)
    else:
        evaluation = COCOeval(truth, detections, "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("case", sorted(OUTPUTS))
def test_reference_numbers(case):
    names = CROWD_NAMES if case.startswith("crowd14") else COCO_NAMES
    stats = dict(zip(names, evaluate(case).stats, strict=True))
    expected = OUTPUTS[case]["xtcocotools"]
    for name, value in expected.items():
        # The same float64 operations; only the order of means may differ.
        assert stats[name] == pytest.approx(value, abs=1e-12), name


def test_annotation_id_zero_is_matched():
    stats = evaluate("coco17_idzero/exact").stats
    assert stats[0] == pytest.approx(OUTPUTS["coco17_idzero/exact"]["xtcocotools"]["AP"])
    assert OUTPUTS["coco17_idzero/exact"]["pycocotools"]["AP"] < stats[0]


def test_unmatched_is_minus_one_and_ids_are_the_own_ones():
    evaluation = evaluate("coco17/missing")
    entries = [entry for entry in evaluation.evalImgs if entry is not None]
    truth_ids = set(evaluation.cocoGt.getAnnIds())
    matches = set(np.concatenate([entry["dtMatches"].ravel() for entry in entries]).tolist())
    assert -1 in matches
    assert matches - {-1} <= truth_ids
    assert {number for entry in entries for number in entry["gtIds"]} <= truth_ids


def test_all_images_remain_after_the_crowd_splits():
    evaluation = evaluate("crowd14/mixed")
    assert len(evaluation.params.imgIds) == len(evaluation.cocoGt.getImgIds())


def person(keypoints, **fields):
    base = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 100], "area": 4000.0}
    return {**base, "keypoints": keypoints, **fields}


def single(truth, detection, kind, **options):
    dataset = {
        "images": [{"id": 1, "width": 200, "height": 200, "crowdIndex": 0.0}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [truth],
    }
    ground = COCO(ann_data=dataset)
    evaluation = COCOeval(ground, ground.loadRes([detection]), kind, **options)
    evaluation.evaluate()
    return evaluation


def test_oks_by_hand_with_own_sigmas():
    # One point off by 3 pixels: exp(-9 / (2 sigma)^2 / area / 2), sigma 0.05, area 1000.
    truth = person([10, 10, 2], area=1000.0)
    detection = person([13, 10, 1], score=0.9)
    oks = single(truth, detection, "keypoints", sigmas=np.array([0.05])).ious[1, 1]
    assert oks[0, 0] == pytest.approx(np.exp(-9 / 0.1**2 / 1000 / 2))


def test_area_from_the_box():
    truth = person([10, 10, 2], num_keypoints=1)
    del truth["area"]
    detection = person([13, 10, 1], score=0.9)
    result = single(
        truth, detection, "keypoints_crowd", sigmas=np.array([0.05]), use_area=False
    ).ious[1, 1]
    assert result[0, 0] == pytest.approx(np.exp(-9 / 0.1**2 / 5300 / 2))


def test_wholebody_joins_its_parts():
    parts = ("foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
    truth = person([10, 10, 2], **{part: [20, 20, 2] for part in parts})
    detection = person(
        [10, 10, 1], score=0.1, wholebody_score=0.7, **{part: [20, 20, 1] for part in parts}
    )
    evaluation = single(truth, detection, "keypoints_wholebody", sigmas=np.full(5, 0.05))
    assert evaluation.ious[1, 1][0, 0] == pytest.approx(1.0)
    assert evaluation.evalImgs[0]["dtScores"] == [0.7]


def test_box_evaluation_is_pycocotools_own():
    truth = person([10, 10, 2])
    detection = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 100], "score": 0.5}
    evaluation = single(truth, detection, "bbox")
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_test_index_selects_keypoints(tmp_path):
    file = tmp_path / "truth.json"
    truth = person([1, 1, 2, 2, 2, 2, 3, 3, 2])
    file.write_text(json.dumps({"images": [], "categories": [], "annotations": [truth]}))
    coco = COCO(str(file), test_index=[2, 0])
    assert coco.anns[1]["keypoints"] == [3, 3, 2, 1, 1, 2]
    assert coco.anns[1]["iscrowd"] is False
    assert coco.anno_file == [str(file)]
