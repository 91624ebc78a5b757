import numpy as np
import pytest

from mmktn.surface.io import load_surface
from mmktn.surface.parts import COCO_KEYPOINT_NAMES
from mmktn.synthetic import render
from mmktn.synthetic.annotate import UV_STEPS
from mmktn.synthetic.body import Shape, make_figure
from mmktn.synthetic.camera import Camera
from mmktn.synthetic.occluder import Occluder
from mmktn.synthetic.pose import LimbAngles, PoseAngles, joint_rotations
from mmktn.synthetic.render import labelled_keypoints, render_image, render_labels
from mmktn.synthetic.scene import Person, Scene
from mmktn.synthetic.texture import random_light
from mmktn.synthetic.wardrobe import random_outfit

HEIGHT, WIDTH = 160, 128


def build(template, *placings, occluders=(), pose=None):
    """A level camera and people at (x, z, yaw)."""
    rng = np.random.default_rng(0)
    rotations = joint_rotations(
        template.skeleton, pose or PoseAngles(LimbAngles(30), LimbAngles(30))
    )
    people = [
        Person(
            make_figure(template, Shape(), rotations).placed(np.array([x, 0.0, z]), yaw),
            random_outfit(rng),
        )
        for x, z, yaw in placings
    ]
    camera = Camera(240.0, HEIGHT, WIDTH, np.array([0.0, 0.9, 3.2]))
    return Scene(camera, people, random_light(rng), list(occluders))


def seen(template, scene, person=0):
    labels = render_labels(scene, template, min_pixels=30)
    points = labelled_keypoints(
        labels, person, COCO_KEYPOINT_NAMES, camera=scene.camera, template=template
    )
    return labels, dict(zip(COCO_KEYPOINT_NAMES, points, strict=True))


def board(x, y, half_width, half_height, depth):
    colors = np.zeros((2, 3), np.float32)
    centre, half = np.array([x, y], float), np.array([half_width, half_height], float)
    return Occluder(centre, half, 0.0, 60.0, 0.0, 0.0, depth, colors)


def test_labels_lead_back_to_the_surface_point_seen_through_the_pixel(template):
    """(I, U, V) of a pixel, looked up on the posed body, projects onto that pixel's centre."""
    scene = build(template, (0.1, 0.0, 0.5))
    maps = render_labels(scene, template, min_pixels=30).maps
    rows, columns = np.nonzero(maps.instance)
    pick = np.random.default_rng(0).permutation(len(rows))[:600]
    rows, columns = rows[pick], columns[pick]
    u, v = maps.u[rows, columns] / UV_STEPS, maps.v[rows, columns] / UV_STEPS
    atlas = load_surface().atlas
    faces, weights = atlas.locate(maps.chart[rows, columns], u, v)
    world = atlas.points(faces, weights, scene.people[0].figure.vertices)
    image = scene.camera.project(world)
    error = np.hypot(image[:, 0] - columns - 0.5, image[:, 1] - rows - 0.5)
    # One step of U or V is 1/65535 of a chart, under 0.01 pixel here.
    assert np.median(error) < 0.01
    assert np.mean(error < 0.05) > 0.995


def test_convention_right_hand_of_a_facing_person_is_chart_3_left_in_the_picture(template):
    labels, points = seen(template, build(template, (0.0, 0.0, 0.0)))
    assert points["right_wrist"][0] < points["nose"][0] < points["left_wrist"][0]
    columns = {c: np.nonzero(labels.maps.chart == c)[1].mean() for c in (3, 4, 5, 6)}
    assert columns[3] < WIDTH / 2 < columns[4]
    assert columns[6] < WIDTH / 2 < columns[5]
    assert (labels.maps.chart == 2).sum() > 100
    assert (labels.maps.chart == 1).sum() < 10  # at most along the seams of the sides


def test_convention_mirror_image_has_mirrored_charts(template):
    """The right-left mirror of a symmetric body permutes charts exactly as CHART_FLIP says."""
    from mmktn.surface.symmetry import CHART_FLIP

    maps = render_labels(build(template, (0.0, 0.0, 0.0)), template, min_pixels=30).maps
    flipped = CHART_FLIP[maps.chart[:, ::-1]]
    # Pixel centres on a seam may go either way.
    assert np.mean(flipped != maps.chart) < 0.001


def test_front_view_shows_the_face_back_view_does_not(template):
    _, front = seen(template, build(template, (0.0, 0.0, 0.0)))
    _, back = seen(template, build(template, (0.0, 0.0, np.pi)))
    assert all(front[name][2] == 2 for name in COCO_KEYPOINT_NAMES)
    assert [back[name][2] for name in ("nose", "left_eye", "right_eye")] == [1, 1, 1]
    body = ("left_shoulder", "right_elbow", "left_hip", "right_hip", "left_knee", "right_ankle")
    assert all(back[name][2] == 2 for name in body)


def test_side_view_hides_the_far_side(template):
    pose = PoseAngles(LimbAngles(3), LimbAngles(3))
    _, points = seen(template, build(template, (0.0, 0.0, np.pi / 2), pose=pose))
    # Turned to their left they show the right side.
    assert points["right_shoulder"][2] == points["right_ear"][2] == points["right_knee"][2] == 2
    assert points["left_shoulder"][2] == points["left_ear"][2] == points["left_elbow"][2] == 1


def test_forearm_before_the_belly_hides_the_hip_not_the_wrist(template):
    pose = PoseAngles(LimbAngles(30), LimbAngles(-8, 15, 0, 20))
    _, bare = seen(template, build(template, (0.0, 0.0, 0.0)))
    _, covered = seen(template, build(template, (0.0, 0.0, 0.0), pose=pose))
    assert bare["right_hip"][2] == 2
    assert covered["right_wrist"][2] == 2
    assert covered["right_hip"][2] == 1


def test_nearer_person_hides_the_farther_one_whatever_the_order(template):
    for placings, near in (([(0, 0.6, 0), (0.1, -0.6, 0)], 1), ([(0.1, -0.6, 0), (0, 0.6, 0)], 2)):
        scene = build(template, *placings)
        labels = render_labels(scene, template, min_pixels=30)
        first, second = labels.rasters
        both = first.hit & second.hit
        assert both.sum() > 300
        assert set(labels.maps.instance[both]) == {near}
        assert labels.rasters[near - 1].hit.sum() == (labels.maps.instance == near).sum()
        assert labels.rasters[2 - near].hit.sum() > (labels.maps.instance == 3 - near).sum()
        _, points = seen(template, scene, person=2 - near)
        assert points["left_hip"][2] == points["right_hip"][2] == 1


def test_board_hides_pixels_and_keypoints_behind_it_only(template):
    plain = build(template, (0.0, 0.0, 0.0))
    labels, points = seen(template, plain)
    knee = points["left_knee"]
    before = board(knee[0], knee[1], 8, 8, depth=1.0)
    behind = board(knee[0], knee[1], 8, 8, depth=9.0)
    hidden, hidden_points = seen(template, build(template, (0.0, 0.0, 0.0), occluders=[before]))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    covered = before.covers(x, y)
    assert not hidden.maps.instance[covered].any()
    np.testing.assert_array_equal(hidden.maps.chart[~covered], labels.maps.chart[~covered])
    assert hidden_points["left_knee"][2] == 1
    assert hidden_points["right_shoulder"][2] == 2
    same, _ = seen(template, build(template, (0.0, 0.0, 0.0), occluders=[behind]))
    np.testing.assert_array_equal(same.maps.instance, labels.maps.instance)


def test_keypoints_outside_the_image_are_zero(template):
    _, points = seen(template, build(template, (0.75, 0.0, 0.0)))
    assert points["left_wrist"].tolist() == [0, 0, 0]
    assert points["right_shoulder"][2] == 2


def test_who_is_seen_too_little_leaves_the_picture(template):
    scene = build(template, (0.0, 0.8, 0.0), (0.0, -0.5, 0.0), (0.45, -0.3, 0.0))
    labels = render_labels(scene, template, min_pixels=400)
    assert [[p is q for q in scene.people].index(True) for p in labels.people] == [0, 2]
    assert set(np.unique(labels.maps.instance)) == {0, 1, 2}
    assert min(mask.sum() for mask in labels.masks()) >= 400
    picture = render_image(scene, labels.people, template, rng=np.random.default_rng(0))
    alone = build(template, (0.0, 0.8, 0.0), (0.45, -0.3, 0.0))
    assert picture.shape == (HEIGHT, WIDTH, 3)
    again = render_labels(alone, template, min_pixels=400)
    np.testing.assert_array_equal(again.maps.instance, labels.maps.instance)


def test_picture_and_labels_show_the_same_outline(template, monkeypatch):
    """Without the person the picture changes inside the label mask and in the shadow alone."""
    monkeypatch.setattr(
        render, "_photograph", lambda picture, rng: (picture * 255).clip(0, 255).astype(np.uint8)
    )
    scene = build(template, (0.0, 0.0, 0.0))
    scene.light.shadow = 0.0
    labels = render_labels(scene, template, min_pixels=30)
    full, bare = (
        render_image(scene, people, template, rng=np.random.default_rng(8)).astype(int)
        for people in (labels.people, [])
    )
    changed = np.abs(full - bare).max(axis=2) > 0
    mask = labels.maps.instance > 0
    upper = np.arange(HEIGHT) < 100  # the feet's shadow lies below
    rim = np.zeros_like(mask)
    padded = np.pad(mask, 3)
    for dy in range(7):
        for dx in range(7):
            rim |= padded[dy : dy + HEIGHT, dx : dx + WIDTH]
    assert changed[upper][mask[upper]].mean() > 0.97
    assert not changed[upper][~rim[upper]].any()


def test_pictures_repeat_with_their_seed(template):
    scene = build(template, (0.0, 0.0, 0.4))
    first, second, other = (
        render_image(scene, scene.people, template, rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert first.dtype == np.uint8
    assert 20 < first.mean() < 235


@pytest.mark.parametrize("x", [-5.0, 5.0])
def test_nobody_in_view_gives_empty_labels(template, x):
    labels = render_labels(build(template, (x, 0.0, 0.0)), template, min_pixels=30)
    assert labels.people == []
    assert not labels.maps.chart.any()
