import numpy as np
import pytest

from mmktn.evaluation.functional.densepose.ground_truth import ImageInfo
from mmktn.evaluation.functional.densepose.point_errors import (
    PointDistances,
    area_under_curve,
    part_errors,
    ratio_of_correct_points,
)
from mmktn.evaluation.functional.densepose.pointwise import dense_distances, evaluate_pointwise
from mmktn.evaluation.functional.masks.foreground import paint
from mmktn.formats.iuv_canvas import paint_people
from tests.test_evaluation.builders import World

INF = float("inf")


def test_area_of_zero_half_and_missed_is_one_half():
    # By hand: distances {0, a/2, inf} -> (1 + 1/2 + 0) / 3
    for limit in (0.1, 0.3):
        assert area_under_curve(np.array([0, limit / 2, INF]), limit) == pytest.approx(0.5)


def test_area_equals_the_integral_of_the_curve():
    distances = np.random.default_rng(0).exponential(0.1, 500)
    steps = np.linspace(0, 0.3, 200001)
    curve = ratio_of_correct_points(distances, steps)
    integral = np.trapezoid(curve, steps) / 0.3
    assert area_under_curve(distances, 0.3) == pytest.approx(integral, abs=1e-5)


def test_curve_rises_and_counts_the_threshold_itself():
    distances = np.array([0.0, 0.1, 0.1, INF], dtype=np.float32)
    curve = ratio_of_correct_points(distances, np.array([0.0, 0.05, 0.1, 5.0]))
    assert curve.tolist() == [0.25, 0.25, 0.75, 0.75]


def test_no_points_are_undefined():
    assert area_under_curve(np.zeros(0), 0.1) == -1
    assert np.isnan(ratio_of_correct_points(np.zeros(0), np.array([0.1]))).all()


def test_truth_against_itself_is_perfect(surface):
    world = World(3, grid=256.0)
    values = evaluate_pointwise(world.truth(), world.detections(), surface).values()
    # People overlap: a point of a covered person may read the one painted over it.
    alone = World(3, people=1, grid=256.0)
    single = evaluate_pointwise(alone.truth(), alone.detections(), surface).values()
    assert single == {"AUC10": 1, "AUC30": 1, "missed": 0, "IoU": 1, "IoU_image_mean": 1}
    assert values["IoU"] == 1
    assert values["missed"] == 0


def test_missing_person_counts_as_missed_points(surface):
    world = World(3, people=1, grid=256.0)
    fewer = world.detections().without([0], "test")
    scores = evaluate_pointwise(world.truth(), fewer, surface)
    assert scores.values()["AUC30"] == pytest.approx(0.75)
    assert scores.values()["missed"] == pytest.approx(0.25)
    assert scores.notes[0] == "1 detections left out: test"


def test_low_scores_are_not_painted_and_are_reported(surface):
    world = World(3, people=1, grid=256.0)
    scores = evaluate_pointwise(world.truth(), world.detections(), surface, min_score=2.0)
    assert scores.values()["missed"] == 1
    assert any("below score 2" in note for note in scores.notes)


def test_better_score_is_painted_over_worse_one_and_background_covers_nothing():
    image = ImageInfo(4, 4)
    low = np.full((3, 4, 4), 1, dtype=np.uint8)
    high = np.zeros((3, 4, 4), dtype=np.uint8)
    high[:, :2] = 2
    box = np.array([[0.0, 0.0, 4.0, 4.0]] * 2)
    for order in ([0, 1], [1, 0]):
        maps = [[low, high][k] for k in order]
        scores = np.array([0.2, 0.9])[order]
        canvas = paint(box, scores, maps, image)
        assert (canvas[:, :2] == 2).all()
        assert (canvas[:, 2:] == 1).all()


def test_scorer_and_pictures_agree_who_is_on_top():
    """Random people, with equal scores, boxes between pixels and beyond the image's edges."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        count = int(rng.integers(0, 6))
        boxes = rng.uniform(-8, 30, (count, 4))
        boxes[:, 2:] = rng.uniform(0.2, 25, (count, 2))
        maps = [
            rng.integers(0, 3, (3, max(int(h), 1), max(int(w), 1)), dtype=np.uint8)
            for w, h in boxes[:, 2:]
        ]
        scores = rng.choice([0.1, 0.5, 0.9], count)
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        drawn = paint_people((24, 32), corners, iuvs=maps, scores=scores)
        assert (paint(boxes, scores, maps, ImageInfo(24, 32)) == drawn.iuv).all()


def test_errors_by_part_name_the_part():
    points = PointDistances(
        np.array([0.0, 0.2, INF, 0.1], dtype=np.float32),
        np.array([1, 1, 3, 24], dtype=np.uint8),
        np.arange(4, dtype=np.int32),
        np.ones(4, dtype=np.int64),
    )
    by_chart = part_errors(points)
    assert len(by_chart) == 24
    torso = part_errors(points, by="group")["torso"]
    assert torso["points"] == 2
    assert torso["mean_m"] == pytest.approx(0.1)
    assert part_errors(points, by="group")["hands"]["missed"] == 1
    with pytest.raises(ValueError, match="by must be"):
        part_errors(points, by="side")


def test_dense_maps_of_the_truth_have_no_error(surface):
    world = World(1, images=1, people=1, grid=256.0)
    detections = world.detections()
    image = ImageInfo(120, 160)
    painted = paint(detections.boxes_xywh, detections.scores, world.maps, image)
    uv = painted[1:] / 255
    errors = dense_distances(painted, painted[0], uv, surface=surface, image_id=10)
    assert len(errors.distances_m) == np.count_nonzero(painted[0])
    assert not errors.distances_m.any()
    strided = dense_distances(painted, painted[0], uv, surface=surface, image_id=10, stride=4)
    assert 0 < len(strided.distances_m) < len(errors.distances_m) / 10
    with pytest.raises(ValueError, match="image 10: dense maps"):
        dense_distances(painted, painted[0, 1:], uv, surface=surface, image_id=10)
