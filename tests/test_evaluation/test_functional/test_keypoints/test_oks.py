import contextlib
import io
import re

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmktn.evaluation.functional.keypoints.ap import evaluate_keypoints
from mmktn.evaluation.functional.keypoints.data import KeypointDetections, KeypointTruth
from mmktn.evaluation.functional.keypoints.oks import (
    COCO_SIGMAS,
    CROWDPOSE_SIGMAS,
    default_sigmas,
    object_keypoint_similarity,
)


def keypoint_world(seed, *, num_points=17, crowd_indices=None):
    """Annotations with hidden, unlabelled and no points, crowds; results with equal scores."""
    rng = np.random.default_rng(seed)
    images, annotations, results = [], [], []
    for k in range(8):
        image = {"id": 3 * k + 1, "width": 300, "height": 300}
        if crowd_indices is not None:
            image["crowdIndex"] = crowd_indices[k]
        images.append(image)
        for _ in range(rng.integers(0, 5)):
            x, y, w, h = *rng.uniform(0, 150, 2), *rng.uniform(20, 150, 2)
            points = rng.uniform([x, y], [x + w, y + h], (num_points, 2))
            visible = rng.integers(0, 3, num_points) * (rng.random() > 0.15)
            annotations.append({
                "id": len(annotations) + 1, "image_id": image["id"], "category_id": 1,
                "iscrowd": int(rng.random() < 0.1), "bbox": [x, y, w, h], "area": w * h / 2,
                "num_keypoints": int((visible > 0).sum()),
                "keypoints": np.c_[points, visible].reshape(-1).tolist(),
            })  # fmt: skip
            for _ in range(rng.integers(0, 3)):
                moved = points + rng.normal(0, 0.06 * h, points.shape)
                results.append({
                    "image_id": image["id"], "category_id": 1,
                    "score": int(rng.integers(1, 10)) / 10,
                    "keypoints": np.c_[moved, np.ones(num_points)].reshape(-1).tolist(),
                })  # fmt: skip
    data = {"images": images, "annotations": annotations, "info": {},
            "categories": [{"id": 1, "name": "person"}]}  # fmt: skip
    return data, results


def evaluate(data, results, **options):
    return evaluate_keypoints(
        KeypointTruth.from_coco(data), KeypointDetections.from_entries(results), **options
    )


@pytest.mark.parametrize("seed", range(4))
def test_coco_protocol_equals_pycocotools(seed):
    data, results = keypoint_world(seed)
    coco = COCO()
    coco.dataset = data
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes([dict(r) for r in results]), "keypoints")
        evaluator.params.areaRng[1] = [32**2, 96**2]
        evaluator.evaluate()
        evaluator.accumulate()
    curves = evaluate(data, results).curves
    np.testing.assert_allclose(curves.precision[0], evaluator.eval["precision"][..., 0], atol=1e-12)
    np.testing.assert_allclose(curves.recall[0], evaluator.eval["recall"][..., 0], atol=1e-12)


def test_similarity_of_one_point_by_hand():
    # d = 3 px, sigma 0.1, area 900: exp(-9 / (2 * 0.2^2 * 900)) = exp(-0.125)
    found = object_keypoint_similarity(
        np.array([[[13.0, 20.0]]]), np.array([[[10.0, 20.0, 2.0]]]), areas=np.array([900.0]),
        boxes_xywh=np.zeros((1, 4)), sigmas=np.array([0.1]),
    )  # fmt: skip
    assert found[0] == pytest.approx(np.exp(-0.125))


def test_truth_against_itself_scores_one_and_moving_lowers_it():
    data, _ = keypoint_world(0, crowd_indices=[0.05] * 8)
    exact = [
        {"image_id": a["image_id"], "category_id": 1, "score": 0.5, "keypoints": a["keypoints"]}
        for a in data["annotations"]
    ]
    for protocol in ("coco", "crowdpose", "crowdpose_clean"):
        assert evaluate(data, exact, protocol=protocol).values()["oks/AP"] == pytest.approx(1)
    values = []
    for shift in (0, 1, 3, 6):
        moved = [
            {**e, "keypoints": (np.array(e["keypoints"]) + np.tile([shift, 0, 0], 17)).tolist()}
            for e in exact
        ]
        values.append(evaluate(data, moved).values()["oks/AP"])
    assert (np.diff(values) < 0).all()


INDICES = [0.0, 0.1, 0.15, 0.2, 0.5, 0.79, 0.8, 1.0]


def test_cuts_of_code_and_paper_are_named_and_differ():
    data, results = keypoint_world(1, num_points=14, crowd_indices=INDICES)
    values = evaluate(data, results, protocol="crowdpose").values()
    split = [k for k in values if "_code" in k or "_paper" in k]
    assert len(split) == 6
    assert values["oks/APhard_code0.2-0.8"] == values["oks/APhard_paper0.1-0.8"]
    for name, easy_images in (("code0.2-0.8", (0, 3)), ("paper0.1-0.8", (0, 2))):
        images = {i["id"] for i in data["images"][slice(*easy_images)]}
        part = {**data, "annotations": [a for a in data["annotations"] if a["image_id"] in images]}
        alone = evaluate(
            part, [r for r in results if r["image_id"] in images], protocol="crowdpose_clean"
        )
        assert values[f"oks/APeasy_{name}"] == pytest.approx(alone.values()["oks/AP"], abs=5.1e-5)


def test_split_without_images_is_undefined_and_says_so():
    data, results = keypoint_world(1, num_points=14, crowd_indices=[0.5] * 8)
    for protocol in ("crowdpose", "crowdpose_clean"):
        column = evaluate(data, results, protocol=protocol).columns["oks/APhard_code0.2-0.8"]
        assert column.value == -1
        assert column.reason == "no image of the 'hard' split has ground truth"
    plain, plain_results = keypoint_world(1, num_points=14)
    column = evaluate(plain, plain_results, protocol="crowdpose").columns["oks/APeasy_code0.2-0.8"]
    assert column.reason == "no image has a crowdIndex"


def test_empty_results_score_zero_and_say_so():
    data, _ = keypoint_world(0)
    column = evaluate(data, []).columns["oks/AP"]
    assert (column.value, column.reason) == (0, "the result list is empty")


def test_sigmas_of_other_skeletons_must_be_given():
    assert default_sigmas(17) is COCO_SIGMAS
    assert default_sigmas(14) is CROWDPOSE_SIGMAS
    with pytest.raises(ValueError, match="16 keypoints"):
        default_sigmas(16)
    data, results = keypoint_world(0, num_points=5)
    assert evaluate(data, results, sigmas=[0.05] * 5).values()["oks/AP"] > 0
    with pytest.raises(ValueError, match="4 sigmas for 5 keypoints"):
        evaluate(data, results, sigmas=[0.05] * 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 2}, r"entry 0 \(image 2\): image_id is not"),
        ({"category_id": 5}, r"entry 0 .*category_id is not"),
        ({"score": float("nan")}, r"entry 0 .*score is not a finite"),
        ({"keypoints": [1.0] * 42}, r"entry 1: 51 keypoint numbers"),
        ({"keypoints": ["x"] * 51}, r"entry 0: keypoints: not numbers"),
    ],
)
def test_unusable_results_are_named(change, message):
    data, results = keypoint_world(0)
    results[0] = results[0] | change
    with pytest.raises(ValueError, match=message):
        evaluate(data, results)


def test_unusable_annotations_are_named():
    data, _ = keypoint_world(0)
    data["annotations"][1]["image_id"] = 77
    with pytest.raises(ValueError, match="annotation 2: unknown image_id 77"):
        KeypointTruth.from_coco(data)
    data, results = keypoint_world(0)
    del data["annotations"][1]["area"]
    with pytest.raises(ValueError, match="annotation 2: no field 'area'"):
        evaluate(data, results)
    assert evaluate(data, results, protocol="crowdpose").values()["oks/AP"] > 0


@pytest.mark.parametrize("what", ["image", "annotation"])
def test_ids_that_stand_twice_are_refused(what):
    data, _ = keypoint_world(0)
    entries = data[f"{what}s"]
    entries.append(dict(entries[0]))
    message = f"gt.json, {what} id {entries[0]['id']}, field id: {what} id used more than once"
    with pytest.raises(ValueError, match=re.escape(message)):
        KeypointTruth.from_coco(data, "gt.json")


def test_null_crowd_index_is_a_missing_one():
    data, _ = keypoint_world(0)
    data["images"][0]["crowdIndex"] = None
    data["images"][1]["crowdIndex"] = 0.25
    data["images"][2].pop("crowdIndex", None)
    ids = [image["id"] for image in data["images"][:3]]
    found = [KeypointTruth.from_coco(data).images[k] for k in ids]
    np.testing.assert_array_equal(found, [np.nan, 0.25, np.nan])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crowdIndex": "high"}, r"gt\.json: image 7: crowdIndex 'high' is not a number"),
        ({"crowdIndex": [0.5]}, r"gt\.json: image 7: crowdIndex \[0\.5\] is not a number"),
        (None, r"gt\.json: image no\. 1: no field 'id'"),
    ],
)
def test_unusable_images_are_named(change, message):
    data, _ = keypoint_world(0)
    data["images"][1] = {"id": 7, **change} if change else {"file_name": "a.png"}
    with pytest.raises(ValueError, match=message):
        KeypointTruth.from_coco(data, "gt.json")


def test_what_is_left_out_is_noted():
    data, results = keypoint_world(0)
    results[0]["keypoints"] = [0.0] * 51
    del data["annotations"][0]["num_keypoints"]
    notes = " | ".join(evaluate(data, results, protocol="coco_xtcocotools").notes)
    assert "1 results with all keypoint scores 0 left out" in notes
    assert "1 annotations without num_keypoints" in notes
    assert "persons without labelled keypoints" in notes
