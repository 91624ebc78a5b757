"""Pointwise errors of persons that come one at a time."""

import json

import numpy as np
import pytest
import torch

from mmktn.evaluation.metrics import PointwiseDensePoseMetric, TopdownPointwiseMetric
from mmktn.structures import ChartResult, ChartResults
from tests.test_evaluation.builders import World
from tests.test_evaluation.test_metrics.test_densepose_metric import sample
from tests.test_evaluation.test_metrics.test_topdown_densepose_metric import person_samples


@pytest.fixture
def people():
    return World(2, grid=256.0, people=2)


@pytest.fixture
def ann_file(tmp_path, people):
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(people.data))
    return path


def images(people, detections):
    detections.boxes_xywh = detections.boxes_xywh.astype(np.float32).astype(np.float64)
    return [sample(people, image["id"], detections) for image in people.data["images"]]


def own_samples(people):
    """True results in true boxes, each with the annotation that it shows."""
    found = []
    for item in images(people, people.detections()):
        ids = [a["id"] for a in people.data["annotations"] if a["image_id"] == item["img_id"]]
        for k, ann_id in enumerate(ids):
            part = item["pred_instances"][k : k + 1]
            found.append(
                {"img_id": item["img_id"], "id": ann_id, "ann_id": ann_id, "pred_instances": part}
            )
    return found


def test_painted_together_they_give_the_numbers_of_images(people, ann_file, surface):
    whole = PointwiseDensePoseMetric(ann_file, surface)
    detections = people.detections()
    rng = np.random.default_rng(0)
    detections.boxes_xywh[:, :2] += rng.integers(-3, 4, (len(detections.scores), 2))
    batch = images(people, detections)
    whole.process({}, batch)
    single = TopdownPointwiseMetric(ann_file, surface)
    persons = person_samples(batch)
    single.process({}, persons + persons[:1])
    assert single.evaluate(len(persons) + 1) == pytest.approx(whole.evaluate(len(batch)))


def test_results_do_not_hide_each_other_when_read_alone(people, ann_file, surface):
    """The last person's result is put over another person of the image, with a better score."""
    persons = own_samples(people)
    rival, victim = persons[-1]["pred_instances"], persons[-2]["pred_instances"]
    assert persons[-1]["img_id"] == persons[-2]["img_id"]
    height, width = victim.densepose[0].hw
    rival.bboxes, rival.scores = victim.bboxes.clone(), victim.scores + 1
    rival.densepose = ChartResults(
        [
            ChartResult(
                torch.full((height, width), 7, dtype=torch.uint8), torch.ones(2, height, width)
            )
        ]
    )
    scores = {}
    for own in (True, False):
        metric = TopdownPointwiseMetric(ann_file, surface, own_points=own, with_iou=False)
        metric.process({}, persons)
        scores[own] = metric.evaluate(len(persons))["pointwise/AUC10"]
    count = people.data["annotations"]
    others = sum(len(a["dp_I"]) for a in count[:-1]) / sum(len(a["dp_I"]) for a in count)
    assert scores[True] >= others * 0.98  # bytes of U, V
    assert scores[False] < scores[True] - 0.1


def test_person_read_in_own_result_only(people, ann_file, surface):
    persons = own_samples(people)
    persons[0]["pred_instances"].densepose[0].labels.zero_()
    metric = TopdownPointwiseMetric(ann_file, surface, own_points=True, with_iou=False)
    metric.process({}, persons)
    found = metric.evaluate(len(persons))
    counts = [len(a["dp_I"]) for a in people.data["annotations"]]
    assert found["pointwise/missed"] == pytest.approx(counts[0] / sum(counts))


def test_samples_must_name_their_annotation(people, ann_file, surface):
    person = own_samples(people)[0]
    del person["ann_id"]
    metric = TopdownPointwiseMetric(ann_file, surface, own_points=True)
    with pytest.raises(ValueError, match="own_points=True needs 'ann_id'"):
        metric.process({}, [person])
