import numpy as np
import pytest

from mmktn.surface import load_surface
from mmktn.surface.io import load_surface_file, save_surface
from mmktn.surface.shapes import BodyShapes, point_weights


@pytest.fixture(scope="module")
def human():
    return load_surface()


def _heights(human, coefficients):
    count = human.num_mesh_vertices
    rest = human.mesh.vertices
    places = [rest + human.shapes.displacements(c)[:count] for c in coefficients]
    return np.array([np.ptp(p[:, 1]) for p in places])


def test_people_have_human_heights_that_grow_with_age(human):
    heights = _heights(human, human.shapes.people[::4])
    age = human.shapes.traits[::4, human.shapes.trait_names.index("age")]
    adults = heights[age > 0.65]
    assert 1.55 < np.median(adults) < 1.8
    assert adults.min() > 1.35
    assert adults.max() < 2.05
    assert heights[age < 0.3].max() < 1.25


def test_every_shape_is_mirror_symmetric(human):
    count, mirror = human.num_mesh_vertices, human.vertex_mirror
    moved = human.mesh.vertices + human.shapes.displacements(human.shapes.people[3])[:count]
    # the basis is stored in half precision
    np.testing.assert_allclose(moved[mirror] * [-1, 1, 1], moved, atol=2e-3)


def test_a_drawn_person_is_one_of_the_kind_and_its_seed(human):
    shapes = human.shapes
    for seed in range(5):
        one, traits = shapes.draw(np.random.default_rng(seed))
        again, _ = shapes.draw(np.random.default_rng(seed))
        np.testing.assert_array_equal(one, again)
        assert np.abs(one).max() <= np.abs(shapes.people).max()
        assert set(traits) == set(shapes.trait_names)
        assert all(0 <= value <= 1 for value in traits.values())


def test_joints_stay_inside_the_limbs_of_every_shape(human):
    count = human.num_mesh_vertices
    knee = human.skeleton.joint_index("left_knee")
    weights = human.skeleton.weights[:, [human.skeleton.joint_index("left_hip"), knee]]
    ring = (weights > 0.3).all(axis=1)
    for coefficients in human.shapes.people[:40]:
        moved = human.shapes.displacements(coefficients)
        vertices = human.mesh.vertices + moved[:count]
        joint = human.skeleton.joint_positions[knee] + moved[count + knee]
        assert np.linalg.norm(vertices[ring].mean(axis=0) - joint) < 0.1


def test_shapes_survive_the_file(human, tmp_path):
    save_surface(human, tmp_path / "body.npz")
    back = load_surface_file(tmp_path / "body.npz").shapes
    for name in ("mean", "basis", "people", "traits"):
        np.testing.assert_array_equal(getattr(back, name), getattr(human.shapes, name))
    assert back.trait_names == human.shapes.trait_names


def test_too_many_coefficients_and_parts_that_do_not_fit_are_named(human):
    with pytest.raises(ValueError, match=r"\(99,\) coefficients for 2[0-9] shape directions"):
        human.shapes.displacements(np.zeros(99))
    with pytest.raises(ValueError, match="shape_basis"):
        BodyShapes(
            np.zeros((4, 3)), np.zeros((2, 5, 3)), np.zeros((1, 2)), np.zeros((1, 1)), ("a",)
        )
    with pytest.raises(ValueError, match="shape_people"):
        BodyShapes(
            np.zeros((4, 3)), np.zeros((2, 4, 3)), np.zeros((1, 3)), np.zeros((1, 1)), ("a",)
        )


def test_point_weights_follow_any_affine_motion(human):
    points = np.stack([human.keypoints[n] for n in ("nose", "left_hip", "right_wrist")])
    weights = point_weights(human.mesh.vertices, points)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    matrix = np.array([[1.1, 0.1, 0], [0, 0.9, 0.2], [-0.1, 0, 1.3]])
    moved = human.mesh.vertices @ matrix.T + [1, 2, 3]
    np.testing.assert_allclose(weights @ moved, points @ matrix.T + [1, 2, 3], atol=1e-9)
