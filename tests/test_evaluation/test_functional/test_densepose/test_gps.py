import numpy as np
import pytest

from mmktn.evaluation.functional.ap.protocol import CLEAN, OFFICIAL
from mmktn.evaluation.functional.densepose.distance_lookup import geodesic_distances
from mmktn.evaluation.functional.densepose.gps import kappas, metric_prefix, point_similarity
from mmktn.evaluation.functional.densepose.person_points import (
    place_points,
    points_in_boxes,
    search_vertices,
)
from mmktn.evaluation.functional.densepose.scores import evaluate_densepose
from mmktn.surface import GeodesicTable
from tests.test_evaluation.builders import World

GRIDS = {"official": 255.0, "clean": 256.0}


def test_thirty_centimetres_at_the_global_kappa_give_one_half():
    # exp(-0.3^2 / (2 * 0.255^2)) by hand: 0.50056
    assert point_similarity(np.array([0.30]), 0.255)[0] == pytest.approx(0.5006, abs=5e-5)


def test_similarity_falls_with_distance_and_ends_at_zero():
    similarity = point_similarity(np.array([0, 0.01, 0.1, 0.5, 2.0, np.inf]), 0.255)
    assert similarity[0] == 1
    assert similarity[-1] == 0
    assert (np.diff(similarity) < 0).all()


def test_part_kappas_are_the_published_means():
    charts = np.array([1, 2, 3, 4, 5, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 24])
    expected = [.351, .351, .107, .107, .126, .126, .237, .237, .173, .173, .142, .142, .128, .128,
                .150, .150]  # fmt: skip
    assert kappas(charts, "per_part").tolist() == expected
    assert set(kappas(charts, "global").tolist()) == {0.255}


def test_the_key_says_which_normaliser_is_used():
    assert metric_prefix("gps", "per_part") == "gps"
    assert metric_prefix("gpsm", "global") == "gpsm_kappa0.255"
    assert metric_prefix("iou", "global") == "iou"


def test_unknown_normaliser_is_refused():
    with pytest.raises(ValueError, match="normaliser 'mean'"):
        kappas(np.array([1]), "mean")


@pytest.mark.parametrize("protocol", ["official", "clean"])
def test_truth_against_itself_scores_one(surface, protocol):
    world = World(3, grid=GRIDS[protocol])
    scores = evaluate_densepose(
        world.truth(), world.detections(), surface, protocol=protocol,
        normalisers=["per_part", "global"],
    ).values()  # fmt: skip
    for name in ("gps/AP", "gps/AR", "gps_kappa0.255/AP"):
        assert scores[name] == pytest.approx(1, abs=1e-9), name


def pair_gps(surface, world, **changes):
    scores = evaluate_densepose(
        world.truth(), world.detections(**changes), surface, metrics=["gps"], protocol=OFFICIAL
    )
    return scores.pairs[0].similarities["gps"]


def test_points_outside_the_box_stay_in_the_mean_and_points_off_the_charts_do_not(surface):
    world = World(1, images=1, people=1)
    person = world.data["annotations"][0]
    for key in ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V"):
        person[key] = person[key][:4]
    person["dp_x"][0] = 255.0  # the official grid puts this one just outside
    person["dp_I"][1] = 0  # on no chart
    assert pair_gps(surface, world)[0, 0] == pytest.approx(2 / 3)


def test_annotation_whose_points_are_all_off_the_charts_scores_zero(surface):
    world = World(1, images=1, people=1)
    world.data["annotations"][0]["dp_I"] = [0] * 20
    assert pair_gps(surface, world)[0, 0] == 0


def test_gps_falls_as_the_charts_get_worse(surface):
    world = World(2, images=1, people=1)
    values = []
    for wrong_rows in (0, 10, 20, 40):
        iuv = world.maps[0].copy()
        iuv[0, :wrong_rows] = 0
        values.append(pair_gps(surface, world, maps=[iuv])[0, 0])
    assert values[0] == 1
    assert (np.diff(values) < 0).all()


def test_convention_point_left_of_the_box_is_truncated_or_floored(surface):
    world = World(1, images=1, people=1)
    persons = world.truth().all_persons()
    points = place_points(persons, search_vertices(persons, surface), OFFICIAL)
    box = np.array([[points.x[0] + 0.5, points.y[0] - 3, 30.0, 30.0]])
    for protocol, expected in ((OFFICIAL, True), (CLEAN, False)):
        _, inside = points_in_boxes(points, box, protocol)
        assert inside[0, 0] == expected


def test_convention_official_grid_is_255_and_clean_grid_is_256(surface):
    world = World(1, images=1, people=1)
    person = world.data["annotations"][0]
    person["dp_x"] = [255.0] * 20
    persons = world.truth().all_persons()
    vertices = search_vertices(persons, surface)
    x, _, w, _ = person["bbox"]
    assert place_points(persons, vertices, OFFICIAL).x[0] == x + w
    assert place_points(persons, vertices, CLEAN).x[0] == x + w * 255 / 256


def test_memory_mapped_lookups_equal_the_table(surface, tmp_path):
    table = surface.geodesics
    np.save(tmp_path / "d.npy", table.condensed)
    mapped = GeodesicTable.open(tmp_path / "d.npy")
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, table.num_vertices, (2, 3000))
    b[:50] = a[:50]
    assert np.array_equal(geodesic_distances(mapped, a, b), table.distance(a, b))
    with pytest.raises(ValueError, match="vertex ids"):
        geodesic_distances(mapped, np.array([0]), np.array([table.num_vertices]))
