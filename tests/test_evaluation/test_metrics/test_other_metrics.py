import json
import re

import numpy as np
import pytest

from mmktn.evaluation.functional.densepose.pointwise import evaluate_pointwise
from mmktn.evaluation.functional.keypoints.oks import COCO_SIGMAS, CROWDPOSE_SIGMAS
from mmktn.evaluation.functional.keypoints.scores import (
    duplicate_sigmas,
    instance_scores,
    remove_duplicates,
)
from mmktn.evaluation.metrics import (
    CrowdPoseMetric,
    OKSMetric,
    PointwiseDensePoseMetric,
    oks_metric,
)
from mmktn.evaluation.metrics.oks_metric import person_areas
from mmktn.registry import METRICS
from tests.test_evaluation.builders import World
from tests.test_evaluation.test_functional.test_keypoints.test_oks import INDICES, keypoint_world
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
    from mmktn.evaluation.functional.densepose.ground_truth import ImageInfo
    from mmktn.evaluation.functional.masks.foreground import paint

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
    with pytest.raises(FileNotFoundError, match=r"image 10: no file .*000010\.npz"):
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


def near_duplicates(seed, num_points):
    """Persons of one image seen up to four times, with the areas of their crops and scores."""
    rng = np.random.default_rng(seed)
    points, areas = [], []
    for _ in range(6):
        size = rng.uniform(40, 200)
        person = rng.uniform(0, size, (num_points, 2)) + rng.uniform(0, 50, 2)
        for _ in range(rng.integers(1, 5)):
            # About the distance at which the OKS of two results is 0.9.
            points.append(person + rng.normal(0, size * rng.uniform(0.01, 0.09), person.shape))
            areas.append((1.25 * size) ** 2 * rng.uniform(0.7, 2.5))
    return np.array(points), np.array(areas), rng.permutation(len(points)) / 40 + 0.2


@pytest.mark.parametrize("num_points", [17, 14])
def test_the_same_results_survive_as_in_mmpose(num_points, tmp_path):
    from mmpose.evaluation.functional import oks_nms

    data, _ = keypoint_world(0, num_points=num_points)
    (tmp_path / "gt.json").write_text(json.dumps(data))
    removed, extent_differs = 0, 0
    for seed in range(12):
        points, areas, scores = near_duplicates(seed, num_points)
        entries = [
            {"keypoints": np.c_[p, np.ones(num_points)], "score": s, "area": a}
            for p, s, a in zip(points, scores, areas, strict=True)
        ]
        expected = oks_nms(entries, 0.9, sigmas=duplicate_sigmas(num_points)).tolist()
        metric = OKSMetric(
            tmp_path / "gt.json", format_only=True, outfile_prefix=str(tmp_path / "o")
        )
        sides = np.sqrt(areas)
        samples = keypoint_samples(
            data,
            [
                {"image_id": 1, "id": k, "score": e["score"], "keypoints": e["keypoints"].ravel()}
                for k, e in enumerate(entries)
            ],
        )
        for person, side in zip(samples, sides, strict=True):
            # a crop of 3:4, as TopdownAffine leaves it
            person["gt_instances"]["bbox_scales"] = np.array([[side * 0.75, side / 0.75]])
        metric.process({}, samples)
        metric.evaluate(len(samples))
        written = json.loads((tmp_path / "o.keypoints.json").read_text())
        assert [w["score"] for w in written] == pytest.approx(scores[expected])
        removed += len(entries) - len(expected)
        extent = np.ptp(points, axis=1).prod(axis=1)
        kept = remove_duplicates(points, scores, extent, sigmas=duplicate_sigmas(num_points))
        extent_differs += kept.tolist() != expected
    assert removed > 20  # the comparison is not empty
    assert extent_differs > 6  # and the area matters


def test_duplicates_of_crowdpose_have_their_own_constants():
    assert duplicate_sigmas(17) is COCO_SIGMAS
    # spec 13.6: head and neck .035, the others as in evaluation
    assert duplicate_sigmas(14)[12:].tolist() == [0.035, 0.035]
    assert (duplicate_sigmas(14)[:12] == CROWDPOSE_SIGMAS[:12]).all()
    with pytest.raises(ValueError, match="no sigmas are known for 5"):
        duplicate_sigmas(5)


def test_area_of_a_person_is_that_of_the_crop_then_the_box_then_the_keypoints():
    points = np.array([[[10.0, 20.0], [40.0, 60.0]]])  # 30 x 40
    crop = {"bbox_scales": np.array([[75.0, 100.0]])}
    box = {"bboxes": np.array([[0.0, 0.0, 50.0, 70.0]])}
    assert person_areas(points, crop, box).tolist() == [7500]
    assert person_areas(points, {}, box).tolist() == [3500]
    assert person_areas(points, {}, {}).tolist() == [1200]
    two = {"bbox_scales": np.ones((2, 2))}  # of other persons: a bottom-up model
    assert person_areas(points, two, {}).tolist() == [1200]
    assert person_areas(np.zeros((0, 17, 2)), crop, {}).tolist() == []


def recall_metric(folder, presence):
    """Metric fed with two batches: scores 0.85 and, from the seventh person on, 0.3."""
    data, _ = keypoint_world(1, num_points=14, crowd_indices=INDICES)
    (folder / "gt.json").write_text(json.dumps(data))
    results = []
    for k, a in enumerate(data["annotations"]):
        points = np.array(a["keypoints"]).reshape(-1, 3)
        points[:, 2] = 0.85 if k < 6 else 0.3
        results.append({"id": a["id"], "image_id": a["image_id"], "score": 0.9,
                        "keypoints": points.ravel().tolist()})  # fmt: skip
    samples = keypoint_samples(data, results)
    for person in samples if presence else ():
        person["pred_instances"]["keypoint_presence"] = np.full((1, 14), 0.65, np.float32)
    metric = CrowdPoseMetric(folder / "gt.json", with_recall=True)
    metric.process({}, samples[:6])
    metric.process({}, samples[6:])
    labelled = [(np.array(a["keypoints"])[2::3] > 0).sum() for a in data["annotations"]]
    return metric, len(samples), sum(labelled[:6]) / sum(labelled)


def test_recall_is_also_averaged_over_batches_and_read_from_the_classifier(tmp_path):
    metric, count, share = recall_metric(tmp_path, presence=True)
    values = metric.evaluate(count)
    assert values["crowdpose/recall@0.3"] == 1
    assert values["crowdpose/recall@0.4"] == pytest.approx(share)
    assert share != 0.5
    assert values["crowdpose/recall_batch@0.4"] == 0.5  # one batch all, one none
    found = [values[f"crowdpose/recall_classifier@{k / 10:g}"] for k in range(1, 10)]
    assert found == [1] * 6 + [0] * 3
    metric, count, _ = recall_metric(tmp_path, presence=False)
    assert not [key for key in metric.evaluate(count) if "classifier" in key]


def test_recall_is_logged_as_a_table_of_nine_thresholds(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(oks_metric.MMLogger, "get_current_instance", lambda: Log(lines))
    metric, count, share = recall_metric(tmp_path, presence=True)
    metric.evaluate(count)
    table = next(text for text in lines if "recall of labelled" in text).splitlines()
    head, rows = table[2], [re.split(r" {2,}", line) for line in table[3:]]
    assert head.split() == [f"{k / 10:g}" for k in range(1, 10)]
    cells = {row[0]: row[1:] for row in rows}
    assert cells["all"] == ["100.00"] * 3 + [f"{100 * share:.2f}"] * 5 + ["0.00"]
    assert cells["all, mean of batches"] == ["100.00"] * 3 + ["50.00"] * 5 + ["0.00"]
    assert cells["all, classifier"] == ["100.00"] * 6 + ["0.00"] * 3
    kinds = {name.split()[0] for name in cells}
    assert kinds == {"all", "all,", "easy", "medium", "hard"}


class Log:
    """Keeps what is logged."""

    def __init__(self, lines):
        self.lines = lines

    def info(self, text, *values):
        self.lines.append(text % values)
