import numpy as np
import pytest

from mmktn.annotation.disagreement import measure_disagreement
from mmktn.annotation.neighbours import PlacedPoints
from tests.ring_doll import ring_doll


@pytest.fixture(scope="module")
def ring():
    return ring_doll()


@pytest.fixture
def placed(ring):
    """Vertices of the ring's front, seen from the front, 300 pixels a metre."""
    front = np.flatnonzero(ring.mesh.vertex_normals[:, 2] > 0.5)[::2]
    xy = 300 * ring.mesh.vertices[front, :2] * [1, -1] + 200
    parts = np.where(ring.mesh.vertices[front, 0] > 0, 1, 2)
    return PlacedPoints(xy, parts, front, ring)


def test_the_scale_is_that_of_the_photo(placed):
    assert placed.scale_m == pytest.approx(1 / 300, rel=0.25)


def test_true_places_fit_their_neighbours(placed):
    for index in range(len(placed)):
        vertex, part = int(placed.vertices[index]), int(placed.parts[index])
        fit = placed.fit(placed.xy[index], part, vertex, without=index)
        assert not fit.is_far()
        assert index not in fit.neighbours
        assert (np.diff(fit.pixels) >= 0).all()
        assert not placed.sides_confused(placed.xy[index], part, vertex, without=index)


def test_a_mirrored_place_is_found_where_sides_differ(placed, ring):
    found = []
    for index in range(len(placed)):
        mirrored = int(ring.vertex_mirror[placed.vertices[index]])
        apart = ring.geodesics.distance(mirrored, placed.vertices[index])
        if apart > 0.3:
            args = (placed.xy[index], int(placed.parts[index]), mirrored)
            found.append(placed.sides_confused(*args, without=index))
    assert len(found) > 20
    assert np.mean(found) > 0.95


def test_the_first_point_is_never_warned_of(ring):
    empty = PlacedPoints(np.zeros((0, 2)), np.zeros(0, int), np.zeros(0, int), ring)
    assert not empty.sides_confused(np.zeros(2), 1, 5)
    assert np.isnan(empty.fit(np.zeros(2), 1, 5).misfit_m)


def test_disagreement_is_the_distance_along_the_skin(ring):
    first, second = [0, 10, 20], [0, 15, 29]
    found = measure_disagreement(first, second, ring)
    np.testing.assert_allclose(found.distances_m, ring.geodesics.distance(first, second))
    assert found.mean_m == pytest.approx(found.distances_m.mean())
    assert found.vertices_m[0] == 0
    assert found.vertices_m.max() <= found.distances_m.max() + 1e-9
    with pytest.raises(ValueError, match="need as many"):
        measure_disagreement([], [], ring)
