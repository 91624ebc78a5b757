"""Body and part metrics on data samples."""

import json

import numpy as np
import pytest
import torch

from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.segmentation.body import evaluate_body_masks
from mmktn.evaluation.functional.segmentation.labels import SegmentationDetections
from mmktn.evaluation.functional.segmentation.parts import evaluate_parts
from mmktn.evaluation.metrics import BodyMaskMetric, OKSMetric, PartSegmentationMetric
from mmktn.structures import ChartResult, ChartResults, SegmentationResult, SegmentationResults
from tests.fake_annotations import fake_coco_file


@pytest.fixture
def truth_file(tmp_path):
    data = fake_coco_file(3, persons=2, image_hw=(96, 128))
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(data))
    return path, data


def samples_of(data, field="part_segmentation", make=None):
    """Two boxes per image around the true ones, with label maps of noise."""
    rng = np.random.default_rng(0)
    samples = []
    for image in data["images"]:
        boxes = [a["bbox"] for a in data["annotations"] if a["image_id"] == image["id"]]
        xyxy = torch.tensor([[x, y, x + w, y + h] for x, y, w, h in boxes], dtype=torch.float32)
        sizes = (xyxy[:, 2:] - xyxy[:, :2]).int().tolist()
        labels = [torch.from_numpy(rng.integers(0, 15, (h, w), dtype=np.uint8)) for w, h in sizes]
        make_all = make or (lambda maps: SegmentationResults(SegmentationResult(m) for m in maps))
        people = {"bboxes": xyxy, "scores": torch.rand(len(boxes)), field: make_all(labels)}
        people["labels"] = torch.zeros(len(boxes), dtype=torch.long)
        samples.append({"img_id": image["id"], "pred_instances": people})
    return samples


def as_regions(samples, field):
    found = []
    for sample in samples:
        people = sample["pred_instances"]
        boxes = people["bboxes"].double().numpy().copy()
        boxes[:, 2:] -= boxes[:, :2]
        maps = [result.labels.numpy() for result in people[field]]
        for box, labels in zip(boxes, maps, strict=True):
            box[2:] = labels.shape[::-1]
        ones = np.ones(len(boxes), int)
        scores = people["scores"].double().numpy()
        found.append(SegmentationDetections(sample["img_id"], boxes, scores, maps, ones))
    return found


@pytest.mark.parametrize(
    ("metric", "function", "field", "prefix"),
    [
        (PartSegmentationMetric, evaluate_parts, "part_segmentation", "parts"),
        (BodyMaskMetric, evaluate_body_masks, "body_segmentation", "body_mask"),
    ],
)
def test_metric_is_the_functional_one_in_any_batches(truth_file, metric, function, field, prefix):
    path, data = truth_file
    samples = samples_of(data, field)
    expected = function(DensePoseTruth.from_coco(data), as_regions(samples, field))
    for batches in ([samples], [[s] for s in samples[::-1]], [samples, samples[:1]]):
        evaluator = metric(path)
        for batch in batches:
            evaluator.process(None, batch)
        found = evaluator.evaluate(len(samples) + (len(batches) == 2))
        assert found == pytest.approx({f"{prefix}/{k}": v for k, v in expected.items()})


def test_persons_of_unseen_images_are_missed(truth_file):
    path, data = truth_file
    evaluator = BodyMaskMetric(path)
    evaluator.process(None, samples_of(data, "body_segmentation")[:1])
    assert evaluator.evaluate(1)["body_mask/AR50"] <= 1 / 3


def test_charts_are_bodies_too(truth_file):
    path, data = truth_file

    def charts(maps):
        return ChartResults(ChartResult(m, torch.zeros(2, *m.shape)) for m in maps)

    bodies, dense = BodyMaskMetric(path), BodyMaskMetric(path, field="densepose")
    bodies.process(None, samples_of(data, "body_segmentation"))
    torch.manual_seed(0)
    dense.process(None, samples_of(data, "densepose", charts))
    assert bodies.evaluate(3)["body_mask/AR"] == dense.evaluate(3)["body_mask/AR"]


def test_missing_field_is_named(truth_file):
    path, data = truth_file
    with pytest.raises(ValueError, match="pred_instances has no field 'body_segmentation'"):
        BodyMaskMetric(path).process(None, samples_of(data, "part_segmentation"))


def test_keypoints_of_a_detector_are_scored_by_its_boxes(truth_file):
    """mmdet gives one sample per image, its scores in pred_instances."""
    path, data = truth_file
    evaluator = OKSMetric(path, score_by="box", nms=False)
    for image in data["images"]:
        people = [a for a in data["annotations"] if a["image_id"] == image["id"]]
        keypoints = np.array([a["keypoints"] for a in people]).reshape(len(people), 17, 3)
        sample = {
            "img_id": image["id"],
            "gt_instances": {},
            "pred_instances": {
                "bboxes": torch.zeros(len(people), 4),
                "scores": torch.tensor([0.3, 0.9]),
                "keypoints": torch.from_numpy(keypoints[..., :2]),
                "keypoint_scores": torch.ones(len(people), 17),
            },
        }
        evaluator.process(None, [sample, sample])  # as a padded sampler would
    assert [r["box_scores"].tolist() for r in evaluator.results[:1]] == [pytest.approx([0.3, 0.9])]
    assert evaluator.evaluate(6)["keypoints/oks/AP"] == 1
