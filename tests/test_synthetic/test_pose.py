import numpy as np
import pytest

from mmktn.surface.io import load_surface
from mmktn.synthetic.body import Shape, make_figure
from mmktn.synthetic.pose import (
    POSE_STYLES,
    LimbAngles,
    PoseAngles,
    axis_turn,
    joint_rotations,
    random_pose,
)

LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def keypoints(template, pose):
    """Keypoints, those of the limbs at the joints themselves."""
    figure = make_figure(template, Shape(), joint_rotations(template.skeleton, pose))
    names = [f"{side}_{limb}" for side in ("left", "right") for limb in LIMBS]
    joints = {name: figure.joints[template.skeleton.joint_index(name)] for name in names}
    return figure.keypoints | joints


def direction(points, start, end):
    vector = points[end] - points[start]
    return vector / np.linalg.norm(vector)


def test_zero_angles_hang_the_arms_straight_down(template):
    points = keypoints(template, PoseAngles())
    for side in ("left", "right"):
        down = direction(points, f"{side}_shoulder", f"{side}_elbow")
        np.testing.assert_allclose(down, [0, -1, 0], atol=1e-9)


@pytest.mark.parametrize(("side", "sign"), [("left", 1), ("right", -1)])
def test_arms_rise_to_their_own_side_and_forward(template, side, sign):
    pose = PoseAngles()
    setattr(pose, f"{side}_arm", LimbAngles(raise_side=90))
    aside = direction(keypoints(template, pose), f"{side}_shoulder", f"{side}_elbow")
    np.testing.assert_allclose(aside, [sign, 0, 0], atol=1e-9)
    setattr(pose, f"{side}_arm", LimbAngles(raise_front=90))
    ahead = direction(keypoints(template, pose), f"{side}_shoulder", f"{side}_elbow")
    np.testing.assert_allclose(ahead, [0, 0, 1], atol=1e-9)
    setattr(pose, f"{side}_arm", LimbAngles(raise_side=170))
    up = direction(keypoints(template, pose), f"{side}_shoulder", f"{side}_elbow")
    assert up[1] > 0.9


@pytest.mark.parametrize("side", ["left", "right"])
def test_elbows_bend_forward_and_knees_backward(template, side):
    pose = PoseAngles()
    setattr(pose, f"{side}_arm", LimbAngles(bend=90))
    setattr(pose, f"{side}_leg", LimbAngles(bend=90))
    points = keypoints(template, pose)
    assert direction(points, f"{side}_elbow", f"{side}_wrist")[2] > 0.95
    assert direction(points, f"{side}_knee", f"{side}_ankle")[2] < -0.95


def test_raised_thigh_points_forward(template):
    pose = PoseAngles(left_leg=LimbAngles(raise_front=80, bend=80))
    points = keypoints(template, pose)
    assert direction(points, "left_hip", "left_knee")[2] > 0.9
    assert direction(points, "left_knee", "left_ankle")[1] < -0.9


def test_trunk_angles_lean_turn_and_tilt(template):
    top = keypoints(template, PoseAngles(lean=(30, 0, 0)))
    assert direction(top, "left_hip", "left_shoulder")[2] > 0.4
    turned = keypoints(template, PoseAngles(head=(0, 60, 0)))
    middle = 0.5 * (turned["left_ear"] + turned["right_ear"])
    assert (turned["nose"] - middle)[0] > 0.05  # towards the person's left, +x
    tilted = keypoints(template, PoseAngles(torso=(0, 0, 20)))
    assert tilted["nose"][0] < -0.05  # towards the person's right, -x


def test_twist_leaves_the_elbow_in_place_but_turns_the_forearm(template):
    plain = keypoints(template, PoseAngles(left_arm=LimbAngles(20, 10, 0, 90)))
    twisted = keypoints(template, PoseAngles(left_arm=LimbAngles(20, 10, 60, 90)))
    np.testing.assert_allclose(plain["left_elbow"], twisted["left_elbow"], atol=1e-9)
    outward = twisted["left_wrist"] - plain["left_wrist"]
    assert outward[0] > 0.1


def test_mirrored_pose_gives_the_mirrored_body(template):
    pose = random_pose(np.random.default_rng(11), style="sport")
    mirrored = PoseAngles(
        pose.right_arm,
        pose.left_arm,
        pose.right_leg,
        pose.left_leg,
        *[(a[0], -a[1], -a[2]) for a in (pose.lean, pose.torso, pose.head)],
        pose.right_curl,
        pose.left_curl,
    )
    one, other = (
        make_figure(template, Shape(), joint_rotations(template.skeleton, p))
        for p in (pose, mirrored)
    )
    mirror = load_surface().vertex_mirror
    np.testing.assert_allclose(other.vertices[mirror] * [-1, 1, 1], one.vertices, atol=1e-6)
    np.testing.assert_allclose(
        other.keypoints["right_wrist"] * [-1, 1, 1], one.keypoints["left_wrist"], atol=1e-6
    )


def test_axis_turn_is_a_rotation_about_its_axis():
    axis = np.array([2.0, -1.0, 2.0]) / 3
    turn = axis_turn(axis, 0.7)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(turn @ axis, axis, atol=1e-12)
    assert np.trace(turn) == pytest.approx(1 + 2 * np.cos(0.7))


@pytest.mark.parametrize("style", sorted(POSE_STYLES))
def test_every_style_stands_upright_enough(template, style):
    rng = np.random.default_rng(5)
    for _ in range(6):
        points = keypoints(template, random_pose(rng, style=style))
        if style == "lying":
            assert max(points["left_hip"][1], points["nose"][1]) < 0.8
            continue
        assert points["nose"][1] > points["left_hip"][1] + 0.3
        assert min(points["left_ankle"][1], points["right_ankle"][1]) < 0.25


def test_unknown_style_is_an_error():
    with pytest.raises(KeyError, match="flying"):
        random_pose(np.random.default_rng(0), style="flying")


@pytest.mark.parametrize("side", ["left", "right"])
def test_limbs_bent_at_rest_hang_straight_and_bend_forward(template, side):
    index = template.skeleton.joint_index

    def places(**limbs):
        pose = PoseAngles()
        for name, angles in limbs.items():
            setattr(pose, f"{side}_{name}", angles)
        joints = make_figure(template, Shape(), joint_rotations(template.skeleton, pose)).joints
        return {
            n: joints[index(f"{side}_{n}")] for n in ("shoulder", "elbow", "wrist", "hip", "ankle")
        }

    def way(points, start, end):
        return (points[end] - points[start]) / np.linalg.norm(points[end] - points[start])

    straight, bent = places(), places(arm=LimbAngles(bend=90))
    np.testing.assert_allclose(way(straight, "shoulder", "elbow"), [0, -1, 0], atol=1e-9)
    np.testing.assert_allclose(way(straight, "elbow", "wrist"), [0, -1, 0], atol=1e-9)
    assert way(bent, "elbow", "wrist")[2] > 0.8
    assert abs(way(straight, "hip", "ankle")[0]) < 1e-9


@pytest.mark.parametrize("side", ["left", "right"])
def test_fingers_curl_into_the_palm(template, side):
    def tip(angle):
        pose = PoseAngles(**{f"{side}_curl": (0.0, *[angle] * 4)})
        joints = make_figure(template, Shape(), joint_rotations(template.skeleton, pose)).joints
        place = {n: joints[template.skeleton.joint_index(f"{side}_{n}")] for n in names}
        return place["middle_3"] - place["wrist"], place

    names = ("wrist", "middle_1", "middle_3", "index_1", "little_1", "thumb_3")
    open_hand, place = tip(0.0)
    fist, _ = tip(80.0)
    assert np.linalg.norm(fist) < 0.75 * np.linalg.norm(open_hand)
    # the palm is the side on which the thumb lies
    normal = np.cross(place["middle_1"] - place["wrist"], place["index_1"] - place["little_1"])
    thumbward = (place["thumb_3"] - place["middle_1"]) @ normal
    assert ((fist - open_hand) @ normal) * thumbward > 0
