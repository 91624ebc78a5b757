"""Mask AP of bodies: COCO's own evaluator, and laws."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.segmentation.body import evaluate_body_masks
from mmktn.evaluation.functional.segmentation.labels import SegmentationDetections
from tests.test_evaluation.builders import World


def regions(world: World, maps=None, scores=None) -> list[SegmentationDetections]:
    """Detections of a world image by image, with other maps or scores if given."""
    maps = [iuv[0] for iuv in world.maps] if maps is None else maps
    scores = np.array(world.scores if scores is None else scores, dtype=float)
    boxes, images = np.array(world.boxes, dtype=float), np.array(world.image_ids)
    return [
        SegmentationDetections(
            image["id"],
            boxes[at],
            scores[at],
            [maps[k] for k in at],
            np.ones(len(at), dtype=int),
        )
        for image in world.data["images"]
        for at in [np.flatnonzero(images == image["id"])]
    ]


def spoiled(world: World, seed: int) -> list[np.ndarray]:
    """Maps cut off at random columns: overlaps from bad to perfect."""
    rng = np.random.default_rng(seed)
    maps = [(iuv[0] > 0).astype(np.uint8) for iuv in world.maps]
    for labels in maps:
        labels[:, : int(rng.uniform(0, 0.5) * labels.shape[1])] = 0
    return maps


def coco_values(world: World, detections: list[SegmentationDetections]) -> dict[str, float]:
    """The columns of COCOeval on the same masks."""
    results = []
    for each in detections:
        for box, score, labels in zip(each.boxes_xywh, each.scores, each.maps, strict=True):
            canvas = np.zeros((120, 160), dtype=np.uint8, order="F")
            x, y = int(box[0]), int(box[1])
            canvas[y : y + labels.shape[0], x : x + labels.shape[1]] = labels > 0
            entry = {"image_id": each.image_id, "category_id": 1, "score": float(score)}
            results.append(entry | {"segmentation": coco_mask.encode(canvas)})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = world.data
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    names = {"AP": 0, "AP50": 1, "AP75": 2, "APm": 4, "APl": 5, "AR": 8, "ARm": 10, "ARl": 11}
    return {name: float(evaluation.stats[k]) for name, k in names.items()}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equal_to_coco_with_crowds_and_false_positives(seed):
    world = World(seed, images=5, people=4)
    world.data["annotations"][1]["iscrowd"] = 1
    detections = regions(world, spoiled(world, seed), np.random.default_rng(seed).random(20))
    # One image full of false positives.
    detections[2] = SegmentationDetections(
        detections[2].image_id,
        detections[3].boxes_xywh,
        detections[3].scores,
        detections[3].maps,
        detections[3].category_ids,
    )
    found = evaluate_body_masks(DensePoseTruth.from_coco(world.data), detections)
    expected = coco_values(world, detections)
    assert 0 < expected["AP"] < 1
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


def test_truth_as_result_scores_one():
    world = World()
    found = evaluate_body_masks(DensePoseTruth.from_coco(world.data), regions(world))
    assert found["AP"] == found["AR"] == 1


def test_order_of_images_and_monotone_scores_change_nothing():
    world = World(3)
    truth, maps = DensePoseTruth.from_coco(world.data), spoiled(world, 3)
    scores = np.random.default_rng(0).random(len(maps))
    once = evaluate_body_masks(truth, regions(world, maps, scores))
    assert evaluate_body_masks(truth, regions(world, maps, scores)[::-1]) == once
    assert evaluate_body_masks(truth, regions(world, maps, scores**3 / 2)) == once


def test_nothing_found_scores_zero_and_no_person_is_undefined():
    world = World()
    truth = DensePoseTruth.from_coco(world.data)
    nothing = [
        SegmentationDetections(
            each.image_id, np.zeros((0, 4)), np.zeros(0), [], np.zeros(0, dtype=int)
        )
        for each in regions(world)
    ]
    assert evaluate_body_masks(truth, nothing)["AP"] == 0
    empty = DensePoseTruth.from_coco(world.data | {"annotations": []})
    assert evaluate_body_masks(empty, regions(world))["AP"] == -1


def test_bad_maps_are_named():
    with pytest.raises(ValueError, match=r"map 0 is \(3, 4\).* needs \(5, 4\)"):
        SegmentationDetections(
            1, np.array([[0.0, 0, 4, 5]]), np.ones(1), [np.zeros((3, 4), np.uint8)], np.ones(1, int)
        )
    with pytest.raises(ValueError, match="1 boxes, 2 scores"):
        SegmentationDetections(1, np.ones((1, 4)), np.ones(2), [], np.ones(1, int))
    unknown = SegmentationDetections(
        99, np.zeros((0, 4)), np.zeros(0), [], np.zeros(0, int), "results"
    )
    with pytest.raises(ValueError, match="image 99 is not in"):
        evaluate_body_masks(DensePoseTruth.from_coco(World().data), [unknown])
