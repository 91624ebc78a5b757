import json

import numpy as np
import pytest

from mmktn.evaluation.functional.keypoint_scores import instance_scores, remove_duplicates
from mmktn.evaluation.functional.oks import COCO_SIGMAS
from mmktn.evaluation.functional.pointwise import evaluate_pointwise
from mmktn.evaluation.metrics import CrowdPoseMetric, OKSMetric, PointwiseDensePoseMetric
from mmktn.registry import METRICS
from tests.test_evaluation.builders import World
from tests.test_evaluation.test_functional.test_oks import INDICES, keypoint_world
from tests.test_evaluation.test_metrics.test_densepose_metric import fed, sample


@pytest.fixture
def clean_world():
    return World(2, grid=256.0, people=2)


@pytest.fixture
def dense_file(tmp_path, clean_world):
    for image in clean_world.data["images"]:
        image["file_name"] = f"{image['id']:06d}.jpg"
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(clean_world.data))
    return path


def test_pointwise_numbers_are_those_of_the_functions(clean_world, dense_file, surface, tmp_path):
    metric = METRICS.build(
        {"type": "mmktn.PointwiseDensePoseMetric", "ann_file": dense_file, "surface": surface,
         "outfile_prefix": str(tmp_path / "o")}
    )  # fmt: skip
    found = fed(metric, clean_world, clean_world.spoiled()).evaluate(4)
    spoiled = clean_world.spoiled()
    spoiled.boxes_xywh = spoiled.boxes_xywh.astype(np.float32).astype(np.float64)
    expected = evaluate_pointwise(clean_world.truth(), spoiled, surface).values()
    assert found == pytest.approx({f"pointwise/{k}": v for k, v in expected.items()}, abs=1e-6)
    written = json.loads((tmp_path / "o.pointwise.json").read_text())
    assert len(written["parts"]) == 24


def test_points_of_an_image_that_was_not_processed_are_missed(clean_world, dense_file, surface):
    metric = PointwiseDensePoseMetric(dense_file, surface)
    detections = clean_world.detections()
    first, *others = clean_world.truth().images
    assert others
    metric.process({}, [sample(clean_world, first, detections)])
    found = metric.evaluate(1)
    gone = np.flatnonzero(detections.image_ids != first)
    left = detections.without(gone.tolist(), "of the other images")
    expected = evaluate_pointwise(clean_world.truth(), left, surface).values()
    assert found == pytest.approx({f"pointwise/{k}": v for k, v in expected.items()}, abs=1e-6)
    assert found["pointwise/missed"] == pytest.approx(len(others) / (1 + len(others)), abs=0.2)


def test_full_body_persons_alone_give_points(clean_world, dense_file, surface):
    data = clean_world.data
    half, full = data["annotations"][0], data["annotations"][1:]
    half["keypoints"] = [5, 5, 2] * 15 + [0, 0, 0] * 2
    for person in full:
        person["keypoints"] = [5, 5, 1] * 16 + [0, 0, 0]
    dense_file.write_text(json.dumps(data))
    spoiled = clean_world.spoiled()
    metric = PointwiseDensePoseMetric(dense_file, surface, min_visible_keypoints=16)
    found = fed(metric, clean_world, spoiled).evaluate(4)
    for name in [name for name in half if name.startswith("dp_")]:
        del half[name]
    dense_file.write_text(json.dumps(data))
    expected = fed(PointwiseDensePoseMetric(dense_file, surface), clean_world, spoiled).evaluate(4)
    assert found == expected
    assert len(metric.truth.all_persons()) == len(data["annotations"])


def test_dense_maps_replace_the_annotated_points(clean_world, dense_file, surface, tmp_path):
    from mmktn.evaluation.functional.foreground import paint
    from mmktn.evaluation.functional.ground_truth import ImageInfo

    folder = tmp_path / "dense"
    folder.mkdir()
    detections = clean_world.detections()
    for image in clean_world.data["images"]:
        k = np.flatnonzero(detections.image_ids == image["id"])
        maps = [detections.iuv(int(i)) for i in k]
        painted = paint(detections.boxes_xywh[k], detections.scores[k], maps, ImageInfo(120, 160))
        u, v = (painted[1:] / 255 * 65535).round().astype(np.uint16)
        np.savez(folder / f"{image['id']:06d}.npz", chart=painted[0], u=u, v=v)
    metric = PointwiseDensePoseMetric(dense_file, surface, dense_dir=folder)
    assert fed(metric, clean_world, detections).evaluate(4)["pointwise/AUC10"] == pytest.approx(1)
    (folder / "000010.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"000010\.npz for image 10"):
        metric.process({}, [sample(clean_world, 10, detections)])
    with pytest.raises(FileNotFoundError, match="dense_dir: no folder"):
        PointwiseDensePoseMetric(dense_file, surface, dense_dir=tmp_path / "none")


def keypoint_samples(data, results, box_score=1.0):
    samples = []
    for k, result in enumerate(results):
        points = np.array(result["keypoints"]).reshape(1, -1, 3)
        samples.append({
            "id": result.get("id", k), "img_id": result["image_id"], "category_id": 1,
            "pred_instances": {"keypoints": points[..., :2], "keypoint_scores": points[..., 2]},
            "gt_instances": {"bbox_scores": np.array([result.get("score", box_score)])},
        })  # fmt: skip
    return samples


def test_keypoint_metric_scores_box_and_keypoints(tmp_path):
    data, results = keypoint_world(0)
    (tmp_path / "gt.json").write_text(json.dumps(data))
    metric = OKSMetric(tmp_path / "gt.json", nms=False, outfile_prefix=str(tmp_path / "o"))
    metric.process({}, keypoint_samples(data, results))
    values = metric.evaluate(len(results))
    written = json.loads((tmp_path / "o.keypoints.json").read_text())
    assert len(written) == len(results)
    assert sorted(r["score"] for r in written) == pytest.approx(sorted(r["score"] for r in results))
    assert 0 < values["keypoints/oks/AP"] < 1
    only = OKSMetric(tmp_path / "gt.json", format_only=True, outfile_prefix=str(tmp_path / "p"))
    only.process({}, keypoint_samples(data, results))
    assert only.evaluate(len(results)) == {}


def test_crowdpose_metric_reports_splits_and_recall_of_missing_keypoints(tmp_path):
    data, _ = keypoint_world(1, num_points=14, crowd_indices=INDICES)
    (tmp_path / "gt.json").write_text(json.dumps(data))
    exact = []
    for a in data["annotations"]:
        points = np.array(a["keypoints"]).reshape(-1, 3)
        points[:, 2] = 0.85
        exact.append({"id": a["id"], "image_id": a["image_id"], "score": 0.9,
                      "keypoints": points.ravel().tolist()})  # fmt: skip
    metric = METRICS.build(
        {"type": "mmktn.CrowdPoseMetric", "ann_file": tmp_path / "gt.json", "with_recall": True}
    )
    metric.process({}, keypoint_samples(data, exact))
    values = metric.evaluate(len(exact))
    assert values["crowdpose/oks/AP"] == pytest.approx(1)
    assert values["crowdpose/oks/APmedium_paper0.1-0.8"] == pytest.approx(1)
    assert values["crowdpose/recall@0.8"] == 1
    assert values["crowdpose/recall@0.9"] == 0
    wrong = CrowdPoseMetric(tmp_path / "gt.json", with_recall=True)
    wrong.process({}, keypoint_samples(data, [exact[0] | {"id": 12345}]))
    with pytest.raises(ValueError, match="sample id 12345 is no annotation id"):
        wrong.evaluate(1)


def test_keypoint_metric_refuses_what_does_not_fit(tmp_path):
    data, results = keypoint_world(0)
    (tmp_path / "gt.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match="score_by"):
        OKSMetric(tmp_path / "gt.json", score_by="area")
    with pytest.raises(FileNotFoundError, match="ann_file"):
        OKSMetric(tmp_path / "none.json")
    metric = OKSMetric(tmp_path / "gt.json")
    broken = keypoint_samples(data, results[:1])
    broken[0]["pred_instances"]["keypoint_scores"] = np.zeros((1, 3))
    with pytest.raises(ValueError, match="prediction of image"):
        metric.process({}, broken)


def test_scores_multiply_box_and_confident_keypoints():
    found = instance_scores(np.array([[0.5, 0.1, 0.7], [0.1, 0.0, 0.2]]), np.array([0.5, 1.0]))
    assert found.tolist() == pytest.approx([0.5 * 0.6, 0.0])


def test_duplicates_are_removed_and_neighbours_stay():
    points = np.random.default_rng(0).uniform(0, 100, (1, 17, 2))
    three = np.concatenate([points, points + 1, points + 40])
    kept = remove_duplicates(
        three, np.array([0.3, 0.9, 0.5]), np.full(3, 8000.0), sigmas=COCO_SIGMAS
    )
    assert kept.tolist() == [1, 2]
