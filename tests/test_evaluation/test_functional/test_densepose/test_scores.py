import copy

import numpy as np
import pytest

from mmktn.evaluation.functional.densepose.pair_scorer import chart_scorer, score_detections
from mmktn.evaluation.functional.densepose.scores import evaluate_densepose, summarize_pairs
from mmktn.formats.dense_detections import DenseDetections
from tests.test_evaluation.builders import World


def all_values(world, detections, surface, **options):
    return evaluate_densepose(
        world.truth(), detections, surface, normalisers=["per_part", "global"], **options
    ).values()


def test_permuting_instances_changes_nothing(world, surface):
    spoiled = world.spoiled()
    expected = all_values(world, spoiled, surface)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(spoiled))
    shuffled = World()
    rng.shuffle(shuffled.data["annotations"])
    rng.shuffle(shuffled.data["images"])
    moved = DenseDetections.from_maps(
        spoiled.image_ids[order], spoiled.boxes_xywh[order], scores=spoiled.scores[order],
        maps=[spoiled.iuv(int(k)) for k in order], category_ids=1,
    )  # fmt: skip
    found = all_values(shuffled, moved, surface)
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0.01 < expected["gps/AP"] < 0.99


def test_splitting_the_set_gives_the_same_numbers(world, surface):
    spoiled = world.spoiled()
    whole = evaluate_densepose(world.truth(), spoiled, surface)
    parts = []
    for images in ([10, 20], [15, 25]):
        half = copy.deepcopy(world.data)
        half["annotations"] = [a for a in half["annotations"] if a["image_id"] in images]
        keep = np.isin(spoiled.image_ids, images)
        some = spoiled.without(np.flatnonzero(~keep), "other process")
        half_world = World()
        half_world.data = half
        pairs, _ = score_detections(half_world.truth(), some, surface)
        parts += pairs
    merged = summarize_pairs(parts, whole.names, categories={1: "person"})
    assert merged.values() == whole.values()


def test_empty_results_have_defined_values_and_a_reason(world, surface):
    nothing = DenseDetections.from_maps([], np.zeros((0, 4)), scores=[], maps=[], category_ids=[])
    official = evaluate_densepose(world.truth(), nothing, surface)
    clean = evaluate_densepose(world.truth(), nothing, surface, protocol="clean")
    assert official.values()["gps/AP"] == -1
    assert clean.values()["gps/AP"] == 0
    assert "result list is empty" in official.columns["gps/AP"].reason


def test_categories_are_averaged_and_reported_apart(surface):
    world = World(5)
    world.data["categories"] += [{"id": 2, "name": "child"}, {"id": 7, "name": "statue"}]
    for entry in world.data["annotations"][::2]:
        entry["category_id"] = 2
    categories = [a["category_id"] for a in world.data["annotations"]]
    scores = evaluate_densepose(world.truth(), world.detections(category_ids=categories), surface)
    assert scores.values()["gps/AP"] == pytest.approx(1)
    assert scores.values()["gps/AP-child"] == pytest.approx(1)
    assert scores.columns["gps/AP-statue"].value == -1
    assert scores.columns["gps/AP-statue"].reason == "no ground truth of this category"
    wrong = evaluate_densepose(world.truth(), world.detections(), surface)
    assert wrong.values()["gps/AP-child"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_ids": 999}, r"entry 2 \(image 999\): image_id is not in the ground truth"),
        ({"category_ids": 9}, r"entry 2 .*category_id is not one of"),
        ({"scores": float("nan")}, r"entry 2 .*score is not a finite number"),
        ({"boxes_xywh": [0.0, 0.0, float("inf"), 5.0]}, r"entry 2 .*bbox is not finite"),
        ({"boxes_xywh": [0.0, 0.0, -3.0, 5.0]}, r"entry 2 .*negative width"),
    ],
)
def test_unusable_results_are_named(world, surface, change, message):
    (name, value), *_ = change.items()
    values = {
        "image_ids": world.image_ids, "category_ids": [1] * len(world.maps),
        "scores": world.scores, "boxes_xywh": world.boxes,
    }[name]  # fmt: skip
    values = list(values)
    values[2] = value
    with pytest.raises(ValueError, match=message):
        evaluate_densepose(world.truth(), world.detections(**{name: values}), surface)


def test_map_of_another_size_than_its_box_is_named(world, surface):
    maps = list(world.maps)
    maps[1] = maps[1][:, :-1]
    with pytest.raises(ValueError, match=r"entry 1 .*map is uint8"):
        evaluate_densepose(world.truth(), world.detections(maps=maps), surface)


def test_box_of_zero_size_is_counted_and_matches_nothing(world, surface):
    boxes = [list(b) for b in world.boxes]
    boxes[0][2:] = [0.0, 0.0]
    maps = [np.ones((3, 1, 1), dtype=np.uint8), *world.maps[1:]]
    scores = evaluate_densepose(
        world.truth(), world.detections(boxes_xywh=boxes, maps=maps), surface
    )
    assert any("1 detections with a box under one pixel" in note for note in scores.notes)
    assert scores.values()["gps/AR"] == pytest.approx(11 / 12)


def test_at_most_twenty_detections_count_and_the_rest_is_reported(surface):
    world = World(2, images=1, people=1)
    count = 23
    detections = DenseDetections.from_maps(
        world.image_ids * count, world.boxes * count, scores=np.linspace(0.1, 0.9, count),
        maps=world.maps * count, category_ids=1,
    )  # fmt: skip
    scores = evaluate_densepose(world.truth(), detections, surface)
    assert len(scores.pairs[0].det_index) == 20
    assert any(note.startswith("3 detections beyond the 20 best") for note in scores.notes)


def test_iou_needs_no_surface_and_gps_does(world):
    values = evaluate_densepose(world.truth(), world.detections(), None, metrics=["iou"]).values()
    assert values["iou/AP"] == pytest.approx(1)
    with pytest.raises(ValueError, match="need a body surface"):
        evaluate_densepose(world.truth(), world.detections(), None)


def test_unknown_names_are_refused(world, surface):
    with pytest.raises(ValueError, match="metric must be some of"):
        chart_scorer(world.truth(), surface, metrics=["ogps"])
    with pytest.raises(ValueError, match="protocol 'coco'"):
        chart_scorer(world.truth(), surface, protocol="coco")


def test_progress_is_reported(world, surface):
    seen = []
    evaluate_densepose(
        world.truth(), world.detections(), surface, progress=lambda *state: seen.append(state)
    )
    assert seen == [(k, 4) for k in range(1, 5)]


def test_unannotated_images_cost_nothing_officially_and_count_in_the_clean_protocol(surface):
    world = World(4, grid=255.5)  # both grids read the same pixels of these small boxes
    world.data["images"].append({"id": 99, "height": 120, "width": 160})
    extra = world.detections(
        image_ids=[*world.image_ids, 99], boxes_xywh=[*world.boxes, world.boxes[0]],
        scores=[*world.scores, 0.999], maps=[*world.maps, world.maps[0]],
    )  # fmt: skip
    official = evaluate_densepose(world.truth(), extra, surface, metrics=["gps"])
    clean = evaluate_densepose(world.truth(), extra, surface, metrics=["gps"], protocol="clean")
    plain = evaluate_densepose(world.truth(), world.detections(), surface, metrics=["gps"])
    assert official.values()["gps/AP"] == plain.values()["gps/AP"]
    assert clean.values()["gps/AP"] < 0.95
    assert any(
        note.startswith("1 detections in images without a person") for note in official.notes
    )
    assert not any("images without a person" in note for note in clean.notes)


def test_detections_on_people_without_points_are_counted(surface):
    world = World(0, images=1, people=2)
    for key in ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V"):
        del world.data["annotations"][0][key]
    scores = evaluate_densepose(world.truth(), world.detections(), surface)
    assert any(note.startswith("1 detections on ignored persons") for note in scores.notes)
    assert scores.values()["gps/AP"] == pytest.approx(1)
