import numpy as np
import pytest

from mmktn.surface import SyntheticSkeleton


def _arm() -> SyntheticSkeleton:
    return SyntheticSkeleton(
        ("root", "elbow"),
        np.array([[0.0, 0, 0], [1, 0, 0]]),
        np.array([-1, 0]),
        np.array([[1.0, 0], [0.5, 0.5], [0, 1]]),
    )


def _turn(degrees: float) -> np.ndarray:
    a = np.deg2rad(degrees)
    return np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])


VERTICES = np.array([[0.5, 0, 0], [1, 0.2, 0], [2, 0, 0]])


def test_rest_pose_moves_nothing():
    posed = _arm().pose(VERTICES, np.stack([np.eye(3)] * 2), translation=[0, 1, 0])
    np.testing.assert_allclose(posed, VERTICES + np.array([0, 1, 0]))


def test_elbow_bend_by_hand():
    posed = _arm().pose(VERTICES, np.stack([np.eye(3), _turn(90)]))
    np.testing.assert_allclose(posed[0], [0.5, 0, 0], atol=1e-12)
    # half of (1, 0.2) kept, half turned about (1, 0) to (0.8, 0)
    np.testing.assert_allclose(posed[1], [0.9, 0.1, 0], atol=1e-12)
    np.testing.assert_allclose(posed[2], [1, 1, 0], atol=1e-12)


def test_parent_turns_its_children():
    posed = _arm().pose(VERTICES, np.stack([_turn(90), _turn(-90)]))
    np.testing.assert_allclose(posed[2], [1, 1, 0], atol=1e-12)


def test_turning_the_root_alone_is_rigid(body):
    skeleton = body.skeleton
    rotations = np.stack([np.eye(3)] * len(skeleton.joint_names))
    rotations[0] = _turn(37)
    posed = skeleton.pose(body.mesh.vertices, rotations)
    pivot = skeleton.joint_positions[0]
    expected = (body.mesh.vertices - pivot) @ _turn(37).T + pivot
    np.testing.assert_allclose(posed, expected, atol=1e-9)


def test_unknown_joint_is_named():
    with pytest.raises(KeyError, match="no joint 'tail'"):
        _arm().joint_index("tail")
    assert _arm().joint_index("elbow") == 1


def test_bad_skeletons_are_named():
    arm = _arm()
    with pytest.raises(ValueError, match="parents"):
        SyntheticSkeleton(arm.joint_names, arm.joint_positions, np.array([1, 0]), arm.weights)
    with pytest.raises(ValueError, match="rows that sum to 1"):
        SyntheticSkeleton(arm.joint_names, arm.joint_positions, arm.parents, arm.weights * 2)
    with pytest.raises(ValueError, match="rotations must be"):
        arm.pose(VERTICES, np.eye(3))
