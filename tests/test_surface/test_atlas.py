from pathlib import Path

import numpy as np
import pytest

from mmktn.surface import ChartAtlas
from mmktn.surface.io import surface_from_reference_body

REFERENCE = Path(__file__).parents[1] / "data" / "reference" / "metrics"


@pytest.fixture(scope="module")
def reference():
    return surface_from_reference_body(REFERENCE / "body.npz")


@pytest.fixture(scope="module")
def steps():
    return np.load(REFERENCE / "dp_steps.npz")


def test_nearest_vertex_equals_the_official_evaluator(reference, steps):
    found = reference.atlas.nearest_vertex(steps["cv_I"], steps["cv_U"], steps["cv_V"])
    expected = steps["cv_subdiv_1based"].ravel()
    np.testing.assert_array_equal(found, np.where(expected > 0, expected - 1, -1))
    assert (steps["cv_margin"] == 0).sum() > 50  # ties are in the data


def test_nearest_mesh_vertex_equals_the_official_evaluator(reference, steps):
    found = reference.atlas.nearest_mesh_vertex(steps["cv_I"], steps["cv_U"], steps["cv_V"])
    np.testing.assert_array_equal(found + 1, steps["cv_unique_1based"].ravel())


def _by_loop(atlas: ChartAtlas, charts, u, v) -> np.ndarray:
    result = []
    for c, x, y in zip(charts, u, v, strict=True):
        own = np.flatnonzero(atlas.charts == c)
        gap = np.sqrt((atlas.u[own] - x) ** 2 + (atlas.v[own] - y) ** 2)
        result.append(own[gap.argmin()] if len(own) else -1)
    return np.array(result)


def test_nearest_vertex_equals_a_plain_loop_where_many_are_equally_near():
    # a ring of 16 vertices around (0.5, 0.5) on a lattice, and copies of them
    lattice = np.array([[i, j] for i in range(9) for j in range(9)]) / 8
    uv = np.concatenate([lattice, lattice])
    atlas = ChartAtlas(
        np.arange(len(uv)), np.full(len(uv), 2), u=uv[:, 0], v=uv[:, 1], faces=np.zeros((0, 3))
    )
    probe = np.array([[i, j] for i in range(17) for j in range(17)]) / 16
    charts = np.full(len(probe), 2)
    found = atlas.nearest_vertex(charts, *probe.T)
    np.testing.assert_array_equal(found, _by_loop(atlas, charts, *probe.T))
    assert found.max() < len(lattice)


def test_uint8_table_equals_the_search(body):
    rng = np.random.default_rng(0)
    charts = rng.integers(-1, 27, 3000)
    u, v = rng.integers(0, 256, (2, 3000))
    found = body.atlas.nearest_vertex_uint8(charts, u, v)
    np.testing.assert_array_equal(found, body.atlas.nearest_vertex(charts, u / 255, v / 255))
    again = body.atlas.nearest_vertex_uint8(charts.astype(np.int8), u.astype(np.uint8), v)
    np.testing.assert_array_equal(found, again)


def test_every_atlas_vertex_is_its_own_nearest(body):
    atlas = body.atlas
    found = atlas.nearest_vertex(atlas.charts, atlas.u, atlas.v)
    np.testing.assert_array_equal(found, np.arange(atlas.num_vertices))


def test_locate_and_interpolate_are_inverse(body):
    rng = np.random.default_rng(0)
    faces = rng.integers(0, len(body.atlas.faces), 4000)
    weights = rng.dirichlet([1, 1, 1], 4000)
    charts, u, v = body.atlas.interpolate(faces, weights)
    found, found_weights = body.atlas.locate(charts, u, v)
    before = body.atlas.points(faces, weights)
    after = body.atlas.points(found, found_weights)
    # same place on the body to a nanometre, whichever face holds a shared edge
    assert np.abs(before - after).max() < 1e-9
    assert (found == faces).mean() > 0.999
    again = body.atlas.interpolate(found, found_weights)
    np.testing.assert_array_equal(again[0], charts)
    np.testing.assert_allclose(np.stack(again[1:]), np.stack([u, v]), atol=1e-12)


def test_chart_point_goes_to_a_vertex_of_the_face_that_holds_it(body):
    rng = np.random.default_rng(2)
    faces = rng.integers(0, len(body.atlas.faces), 2000)
    corner = body.atlas.faces[faces, rng.integers(0, 3, 2000)]
    charts, u, v = body.atlas.charts[corner], body.atlas.u[corner], body.atlas.v[corner]
    np.testing.assert_array_equal(body.atlas.nearest_vertex(charts, u, v), corner)


def test_outside_the_outline_the_nearest_point_of_the_chart_is_taken(atlas):
    shrunk = ChartAtlas(
        atlas.mesh_vertex,
        atlas.charts,
        u=0.25 + 0.5 * atlas.u,
        v=0.25 + 0.5 * atlas.v,
        faces=atlas.faces,
    )
    faces, weights = shrunk.locate(
        [3, 3, 7, 9, 0], [0.0, 0.5, 1.0, 0.5, 0.5], [0.5, 1.0, 1.0, 0.5, 0.5]
    )
    charts, u, v = shrunk.interpolate(faces, weights)
    assert charts.tolist() == [3, 3, 7, 0, 0]
    np.testing.assert_allclose(u[:3], [0.25, 0.5, 0.75])
    np.testing.assert_allclose(v[:3], [0.5, 0.75, 0.75])
    assert faces[3:].tolist() == [-1, -1]


def test_no_chart_no_vertex(atlas):
    found = atlas.nearest_vertex([0, 25, 5, 3], [0, 0, 0, 0.9], [0, 0, 0, 0.1])
    assert found.tolist() == [-1, -1, -1, 1]
    assert atlas.nearest_mesh_vertex([7, 0], [0.1, 0], [0.9, 0]).tolist() == [2, -1]
    assert atlas.nearest_vertex_uint8([5], [3], [4]).tolist() == [-1]


def test_empty_input_gives_empty_output(atlas):
    assert atlas.nearest_vertex([], [], []).shape == (0,)
    assert atlas.nearest_vertex_uint8([], [], []).shape == (0,)
    faces, weights = atlas.locate([], [], [])
    assert faces.shape == (0,)
    assert weights.shape == (0, 3)


def test_points_need_a_face_and_positions(atlas):
    with pytest.raises(ValueError, match="no rest_vertices"):
        atlas.points([0], [[1, 0, 0]])
    with pytest.raises(ValueError, match="face id -1"):
        atlas.points([-1], [[1, 0, 0]], vertices=np.zeros((6, 3)))
    with pytest.raises(ValueError, match=r"-1\.\.3"):
        atlas.interpolate([4], [[1, 0, 0]])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"charts": [3, 3, 3, 0, 7, 7, 7, 7]}, "charts must lie"),
        ({"u": [0, 1, 1, 0, 0, 1, 1]}, "differ in length"),
        ({"v": [0, 0, 1, 1.5, 0, 0, 1, 1]}, "v must lie"),
        ({"faces": [[0, 1, 4]]}, "face 0 joins charts"),
        ({"faces": [[0, 1, 8]]}, "outside 0..7"),
        ({"mesh_vertex": [-1, 1, 2, 3, 1, 4, 5, 2]}, "negative"),
        ({"face_charts": [3, 3, 7, 8]}, "face_charts differ"),
    ],
)
def test_bad_atlases_are_named(atlas, change, text):
    fields = {name: getattr(atlas, name) for name in ("mesh_vertex", "charts", "u", "v", "faces")}
    with pytest.raises(ValueError, match=text):
        ChartAtlas(**(fields | change))


def test_bad_queries_are_named(atlas):
    with pytest.raises(ValueError, match="point 1: U, V"):
        atlas.nearest_vertex([3, 3], [0, np.nan], [0, 0])
    with pytest.raises(ValueError, match="alike"):
        atlas.nearest_vertex([3, 3], [0], [0, 0])
    with pytest.raises(ValueError, match="bytes"):
        atlas.nearest_vertex_uint8([3], [256], [0])


def test_hash_changes_with_charts_and_coordinates(atlas):
    moved = ChartAtlas(
        atlas.mesh_vertex, atlas.charts, u=atlas.u, v=atlas.v * 0.5, faces=atlas.faces
    )
    assert atlas.hash != moved.hash
