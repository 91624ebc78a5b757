"""Pixels to the body and back, on maps that are rendered from the body itself."""

import numpy as np
import pytest

from mmktn.surface import BodySurface, body_points, load_surface

CORNERS = 40  # pixels of each made map


@pytest.fixture(scope="module")
def surface() -> BodySurface:
    return load_surface("human")


def painted(surface, seed=0, origin=(3, 5)):
    """A map (8, 8) whose pixels are points on random triangles; 0 elsewhere."""
    rng = np.random.default_rng(seed)
    faces = rng.integers(0, len(surface.atlas.faces), CORNERS)
    weights = rng.dirichlet([3, 3, 3], CORNERS)
    charts, u, v = surface.atlas.interpolate(faces, weights)
    labels, uv = np.zeros(64, np.uint8), np.zeros((2, 64))
    labels[:CORNERS], uv[:, :CORNERS] = charts, (u, v)
    return labels.reshape(8, 8), uv.reshape(2, 8, 8), faces, weights


def test_triangles_and_positions_are_those_that_were_painted(surface):
    labels, uv, faces, weights = painted(surface)
    points = body_points(labels, uv, surface=surface, origin_xy=(3, 5))
    assert len(points) == CORNERS
    assert (points.xy[:9] == [[3 + k % 8, 5 + k // 8] for k in range(9)]).all()
    true = surface.atlas.points(faces, weights)
    assert np.abs(points.positions() - true).max() < 1e-9
    moved = surface.atlas.points(faces, weights, surface.mesh.vertices * 2 + 1)
    assert np.abs(points.positions(surface.mesh.vertices * 2 + 1) - moved).max() < 1e-9


def test_vertices_are_the_official_rule_and_near(surface):
    labels, uv, *_ = painted(surface)
    points = body_points(labels, uv, surface=surface)
    atlas = surface.atlas
    for k in range(len(points)):
        own = np.flatnonzero(atlas.charts == points.charts[k])
        gap = np.hypot(atlas.u[own] - points.uv[k, 0], atlas.v[own] - points.uv[k, 1])
        assert points.vertices[k] == atlas.mesh_vertex[own[gap.argmin()]]


def test_back_to_pixels(surface):
    """Every body pixel is found again under its vertex; means are means."""
    labels, uv, *_ = painted(surface)
    points = body_points(labels, uv, surface=surface)
    ids, places = points.seen_vertices()
    assert (np.diff(ids) > 0).all()
    total = 0
    for vertex, place in zip(ids, places, strict=True):
        pixels = points.pixels_of(vertex)
        total += len(pixels)
        assert place == pytest.approx(pixels.mean(axis=0))
    assert total == len(points)
    hidden = np.setdiff1d(np.arange(surface.num_mesh_vertices), ids)[0]
    assert len(points.pixels_of(hidden)) == 0


def test_given_points_take_the_pixel_that_contains_them(surface):
    labels, uv, *_ = painted(surface)
    whole = body_points(labels, uv, surface=surface, origin_xy=(3, 5))
    asked = [[3.0, 5.0], [4.99, 5.5], [3 + 7.2, 5 + 7.9], [2.99, 5.0], [-1e9, 4], [1e9, 1e9]]
    points = body_points(labels, uv, surface=surface, origin_xy=(3, 5), points_xy=asked)
    assert points.vertices[:2].tolist() == whole.vertices[:2].tolist()
    assert points.charts[2:].tolist() == [0, 0, 0, 0]
    assert points.vertices[2:].tolist() == points.triangles[2:].tolist() == [-1] * 4
    assert np.isnan(points.positions()[2:]).all()
    with pytest.raises(ValueError, match="not finite"):
        body_points(labels, uv, surface=surface, points_xy=[[np.nan, 0]])


def test_distances_are_those_of_the_surface(surface):
    labels, uv, *_ = painted(surface)
    points = body_points(labels, uv, surface=surface)
    back = body_points(labels[::-1], uv[:, ::-1], surface=surface)
    far = points.distances_m(back)
    true = surface.geodesics.distance(points.vertices, back.vertices)
    assert far == pytest.approx(np.asarray(true, dtype=float))
    assert (points.distances_m(points) == 0).all()
    with pytest.raises(ValueError, match="equally many"):
        points.distances_m(body_points(labels[:1], uv[:, :1], surface=surface))


def test_other_meshes_by_a_table_of_the_user(surface, tmp_path):
    labels, uv, *_ = painted(surface)
    points = body_points(labels, uv, surface=surface)
    table = np.arange(surface.num_mesh_vertices)[::-1].copy()
    table[points.vertices[0]] = -1
    np.save(tmp_path / "mine.npy", table)
    for given in (table, tmp_path / "mine.npy"):
        assert (points.vertices_by(given) == table[points.vertices]).all()
    with pytest.raises(ValueError, match="one for each vertex"):
        points.vertices_by(table[:-1])
    with pytest.raises(ValueError, match="SMPL's vertices"):
        points.smpl_vertices  # noqa: B018


def test_nobody_has_no_points(surface):
    points = body_points(np.zeros((4, 4)), np.zeros((2, 4, 4)), surface=surface)
    assert len(points) == 0
    assert points.positions().shape == (0, 3)
    assert points.seen_vertices()[1].shape == (0, 2)
