import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmktn.annotation.annotator_error import (
    AnnotatedImage,
    interpolate_over_surface,
    measure_error,
    vertex_parts,
)
from mmktn.surface.geodesic import GeodesicTable


@pytest.fixture(scope="module")
def line():
    """Five vertices on a line, a metre apart."""
    places = np.arange(5.0)
    pairs = [places[i] - places[j] for i in range(5) for j in range(i)]
    return GeodesicTable(np.array(pairs), 5)


def test_inverse_distance_by_hand(line):
    found = interpolate_over_surface([0, 4], [1.0, 3.0], line)
    # weights 1/d^2: vertex 1 has 1 and 1/9, vertex 2 has 1/4 twice.
    assert found == pytest.approx([1.0, (1 + 3 / 9) / (10 / 9), 2.0, (1 / 9 + 3) / (10 / 9), 3.0])


def test_repeated_vertices_are_averaged(line):
    assert interpolate_over_surface([2, 2], [1.0, 2.0], line) == pytest.approx([1.5] * 5)


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.floats(0, 2), min_size=1, max_size=5),
    power=st.sampled_from([0.5, 1.0, 2.0, 8.0]),
)
def test_interpolation_stays_within_the_values_and_keeps_them(line, values, power):
    vertices = np.arange(len(values))
    found = interpolate_over_surface(vertices, values, line, power=power)
    assert found[: len(values)] == pytest.approx(values)
    assert found.min() >= min(values) - 1e-12
    assert found.max() <= max(values) + 1e-12


def image(name, true, annotated):
    return AnnotatedImage(name, np.array(true, np.int64), np.array(annotated, np.int64))


def test_perfect_annotators_have_no_error(body):
    vertices = np.arange(0, body.num_mesh_vertices, 500)
    found = measure_error([image("a", vertices, vertices)], body)
    assert found.mean_m == 0
    assert not found.vertices_m.any()
    assert sum(part.points for part in found.parts) == len(vertices)


def test_error_is_the_mean_over_images_not_over_points(body):
    far = int(np.argmax(body.geodesics.distance(0, np.arange(body.num_mesh_vertices))))
    distance = float(body.geodesics.distance(0, far))
    many = image("many", [0] * 9, [far] * 9)
    found = measure_error([many, image("one", [0], [0])], body)
    # Alone in its image, a point spreads over the whole body.
    assert found.vertices_m == pytest.approx(np.full(body.num_mesh_vertices, distance / 2))
    assert found.mean_m == pytest.approx(0.9 * distance)
    assert found.images == 2


def test_parts_report_their_own_points(body):
    parts = vertex_parts(body)
    torso, head = (np.flatnonzero(parts == p)[:40] for p in (1, 14))
    found = measure_error([image("a", [*torso, *head], [*np.roll(torso, 1), *head])], body)
    table = {part.part: part for part in found.parts}
    expected = body.geodesics.distance(torso, np.roll(torso, 1))
    assert table[1].points == table[14].points == 40
    assert table[1].mean_m == pytest.approx(expected.mean())
    assert table[1].median_m == pytest.approx(np.median(expected))
    assert table[14].mean_m == 0
    assert np.isnan(table[2].mean_m)
    assert table[1].surface_m > table[14].surface_m


def test_unusable_pairs_are_named(body):
    with pytest.raises(ValueError, match="img7: 2 true vertices, 1 annotated"):
        measure_error([image("img7", [1, 2], [1])], body)
    with pytest.raises(ValueError, match=r"img7: annotated vertices -1\.\.2"):
        measure_error([image("img7", [1, 2], [-1, 2])], body)
    with pytest.raises(ValueError, match="no image has"):
        measure_error([image("img7", [], [])], body)
