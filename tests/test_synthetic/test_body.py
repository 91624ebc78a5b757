import numpy as np
import pytest

from mmktn.surface.body_surface import BodySurface
from mmktn.surface.io import load_surface
from mmktn.synthetic.body import Shape, Template, make_figure, random_shape
from mmktn.synthetic.camera import rotation_about
from mmktn.synthetic.pose import joint_rotations, random_pose


def test_rest_pose_is_the_template_standing_on_the_ground(template):
    figure = make_figure(template, Shape(), {})
    rest = template.mesh.vertices
    pelvis = template.skeleton.joint_positions[0]
    shift = np.array([pelvis[0], rest[:, 1].min(), pelvis[2]])
    np.testing.assert_allclose(figure.vertices, rest - shift, atol=1e-12)
    np.testing.assert_allclose(figure.normals, template.mesh.vertex_normals, atol=1e-9)
    np.testing.assert_allclose(figure.keypoints["nose"], template.keypoints["nose"] - shift)
    assert figure.vertices[:, 1].min() == 0


def test_neutral_shape_is_plain_linear_blend_skinning(template):
    rng = np.random.default_rng(0)
    rotations = joint_rotations(template.skeleton, random_pose(rng))
    figure = make_figure(template, Shape(), rotations)
    names = template.skeleton.joint_names
    stack = np.stack([rotations.get(name, np.eye(3)) for name in names])
    plain = template.skeleton.pose(template.mesh.vertices, stack)
    shift = plain[0] - figure.vertices[0]
    np.testing.assert_allclose(figure.vertices, plain - shift, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_any_pose_keeps_bone_lengths(template, seed):
    rng = np.random.default_rng(seed)
    shape = random_shape(template, rng)
    rotations = joint_rotations(template.skeleton, random_pose(rng))
    figure = make_figure(template, shape, rotations)
    rest, index = make_figure(template, shape, {}), template.skeleton.joint_index
    for side in ("left", "right"):
        for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")):
            first, second = index(f"{side}_{a}"), index(f"{side}_{b}")
            length, wanted = (
                np.linalg.norm(f.joints[first] - f.joints[second]) for f in (figure, rest)
            )
            assert length == pytest.approx(wanted, rel=1e-9)


def test_convention_turning_left_by_a_quarter_faces_plus_x(template):
    figure = make_figure(template, Shape(), {})
    turned = figure.placed(np.array([3.0, 0, -2.0]), np.pi / 2)
    face = turned.keypoints["nose"] - 0.5 * (
        turned.keypoints["left_ear"] + turned.keypoints["right_ear"]
    )
    assert face[0] > 0.08
    assert abs(face[2]) < 1e-9
    turn = rotation_about("y", np.pi / 2)
    np.testing.assert_allclose(turned.normals, figure.normals @ turn.T, atol=1e-12)
    np.testing.assert_allclose(turned.vertices - [3, 0, -2], figure.vertices @ turn.T, atol=1e-12)


def test_surface_without_skeleton_is_refused():
    full = load_surface()
    bare = BodySurface(full.atlas, full.num_mesh_vertices, name="bare", mesh=full.mesh)
    with pytest.raises(ValueError, match=r"bare.*skeleton"):
        Template.from_surface(bare)


def test_drawn_people_differ_and_carry_their_keypoints(template):
    shapes = [random_shape(template, np.random.default_rng(seed)) for seed in range(12)]
    figures = [make_figure(template, shape, {}) for shape in shapes]
    heights = np.array([np.ptp(f.vertices[:, 1]) for f in figures])
    assert heights.std() > 0.05
    for figure in figures:
        for name in ("nose", "left_eye", "right_ear"):
            gap = np.linalg.norm(figure.vertices - figure.keypoints[name], axis=1).min()
            assert gap < 0.015
        middle = 0.5 * (figure.keypoints["left_hip"] + figure.keypoints["right_hip"])
        assert middle[1] == pytest.approx(0.52 * np.ptp(figure.vertices[:, 1]), rel=0.1)
        np.testing.assert_allclose(figure.keypoints["nose"][0], 0, atol=2e-3)


def test_a_person_of_the_human_body_is_posed_by_its_own_joints(template):
    shape = random_shape(template, np.random.default_rng(4))
    turn = {"left_shoulder": rotation_about("z", 0.8)}
    rest, posed = (make_figure(template, shape, r) for r in ({}, turn))
    shoulder = template.skeleton.joint_index("left_shoulder")
    elbow, wrist = (template.skeleton.joint_index(f"left_{n}") for n in ("elbow", "wrist"))
    np.testing.assert_allclose(posed.joints[shoulder], rest.joints[shoulder], atol=1e-9)
    for start, end in ((shoulder, elbow), (elbow, wrist)):
        before, after = (f.joints[end] - f.joints[start] for f in (rest, posed))
        np.testing.assert_allclose(after, rotation_about("z", 0.8) @ before, atol=1e-9)
