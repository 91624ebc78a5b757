import numpy as np
import pytest

from mmktn.synthetic.body import Shape, make_figure
from mmktn.synthetic.camera import Camera
from mmktn.synthetic.garments import dress_figure
from mmktn.synthetic.pose import LimbAngles, PoseAngles, joint_rotations
from mmktn.synthetic.render import render_image, render_labels
from mmktn.synthetic.scene import Person, Scene
from mmktn.synthetic.texture import random_light
from mmktn.synthetic.wardrobe import random_outfit

STANDING = PoseAngles(LimbAngles(25), LimbAngles(25))


def plain_outfit(**changes):
    outfit = random_outfit(np.random.default_rng(0))
    plain = dict(
        top_fit=0.0,
        leg_fit=0.0,
        skirt=False,
        bald=True,
        hat="",
        bag="",
        tail_end=2.0,
        pleats=0.0,
        shod=False,
    )
    for name, value in {**plain, **changes}.items():
        setattr(outfit, name, value)
    return outfit


def dressed(template, outfit, pose=STANDING):
    figure = make_figure(template, Shape(), joint_rotations(template.skeleton, pose))
    dress_figure(template, figure, outfit)
    return figure


def scene_of(*figures):
    rng = np.random.default_rng(0)
    camera = Camera(240.0, 160, 128, np.array([0.0, 0.9, 3.2]))
    people = [Person(figure, plain_outfit()) for figure in figures]
    return Scene(camera, people, random_light(rng))


def test_bare_outfit_has_no_layers(template):
    assert dressed(template, plain_outfit()).layers == []


def test_a_skirt_spans_both_thighs_and_hides_the_gap(template):
    figure = dressed(template, plain_outfit(skirt=True, hem=0.95, leg_end=0.45, flare=0.5))
    (skirt,) = figure.layers
    assert skirt.part == "bottom"
    knees = [figure.keypoints[f"{side}_knee"] for side in ("left", "right")]
    low = skirt.vertices[skirt.vertices[:, 1] < knees[0][1] + 0.1]
    assert low[:, 0].max() > knees[0][0] + 0.04
    assert low[:, 0].min() < knees[1][0] - 0.04
    labels = render_labels(scene_of(figure), template, min_pixels=30)
    bare = render_labels(scene_of(dressed(template, plain_outfit())), template, min_pixels=30)
    np.testing.assert_array_equal(labels.maps.chart, bare.maps.chart)
    assert labels.outlines()[0].sum() > bare.outlines()[0].sum() + 100
    assert not (labels.masks()[0] & ~labels.outlines()[0]).any()


def test_normals_of_layers_point_away_from_the_body(template):
    outfit = plain_outfit(
        skirt=True, hem=0.95, leg_end=0.3, top_fit=0.03, sleeve=0.6, bag="backpack", hat="brim"
    )
    for layer in dressed(template, outfit).layers:
        if layer.part == "hat":
            continue
        middle = layer.vertices.mean(axis=0)
        if layer.part == "top":  # torso and sleeves: from the nearest joint
            figure = dressed(template, outfit)
            gap = layer.vertices[:, None] - figure.joints[None]
            way = np.take_along_axis(
                gap, np.linalg.norm(gap, axis=2).argmin(axis=1)[:, None, None], axis=1
            )[:, 0]
        else:
            way = layer.vertices - middle
            way[:, 1] *= layer.part == "bag"
        assert ((way * layer.normals).sum(axis=1) > 0).mean() > 0.85, layer.part


@pytest.mark.parametrize("bend", [0.0, 90.0])
def test_trouser_legs_follow_the_legs(template, bend):
    pose = PoseAngles(left_leg=LimbAngles(raise_front=80, bend=bend))
    figure = dressed(template, plain_outfit(leg_fit=0.02, leg_end=0.07), pose)
    left = figure.layers[0]
    ankle = figure.keypoints["left_ankle"]
    assert np.linalg.norm(left.vertices - ankle, axis=1).min() < 0.12


def test_clothes_of_the_nearer_person_hide_the_farther_one(template):
    near = dressed(template, plain_outfit(skirt=True, hem=0.95, leg_end=0.2, flare=1.0))
    bare = dressed(template, plain_outfit())
    ahead, behind = np.array([0.0, 0.0, 0.6]), np.array([0.35, 0.0, -0.6])
    clothed, plain = (
        render_labels(
            scene_of(f.placed(ahead, 0.0), bare.placed(behind, 0.0)), template, min_pixels=30
        )
        for f in (near, bare)
    )
    assert clothed.masks()[1].sum() < plain.masks()[1].sum() - 30
    # what only the skirt shows is nobody's body
    assert clothed.maps.chart[clothed.outlines()[0] & ~clothed.masks()[0]].max() == 0


def test_layers_move_with_the_figure_and_are_drawn(template):
    figure = dressed(template, plain_outfit(skirt=True, hem=0.95, leg_end=0.3))
    moved = figure.placed(np.array([1.0, 0.0, 2.0]), 0.0)
    np.testing.assert_allclose(
        moved.layers[0].vertices - figure.layers[0].vertices,
        np.broadcast_to([1.0, 0.0, 2.0], moved.layers[0].vertices.shape),
    )
    scene, bare = scene_of(figure), scene_of(dressed(template, plain_outfit()))
    pictures = [
        render_image(s, s.people, template, rng=np.random.default_rng(0)).astype(int)
        for s in (scene, bare)
    ]
    gap = np.abs(pictures[0] - pictures[1]).max(axis=2)
    assert (gap > 12).sum() > 150
