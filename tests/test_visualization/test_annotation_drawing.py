"""Ground-truth pictures: marks stand on the pixels that the annotation names."""

import numpy as np
import torch

from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations
from mmktn.visualization.annotation_drawing import (
    coarse_colours,
    draw_annotations,
    draw_coarse_map,
    draw_keypoints,
    draw_points,
)
from mmktn.visualization.colormaps import chart_colours
from tests.fake_annotations import fake_annotations

GREY = np.full((120, 160, 3), 128, np.uint8)


def test_point_marks_the_pixel_it_lies_in():
    colours = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)
    drawn = draw_points(GREY, np.array([[40.9, 30.0], [100.0, 99.99]]), colours)
    assert drawn[30, 40].tolist() == [255, 0, 0]
    assert drawn[99, 100].tolist() == [0, 255, 0]
    changed = np.argwhere((drawn != GREY).any(axis=-1))
    assert changed[:, 0].min() >= 30 - 5  # nothing but the two discs
    assert (GREY == 128).all()


def test_coarse_map_covers_its_box_only():
    parts = np.zeros((256, 256), np.uint8)
    parts[:, 128:] = 2
    drawn = draw_coarse_map(GREY, parts, np.array([40.0, 20.0, 80.0, 100.0]), alpha=1.0)
    expected = GREY.copy()
    expected[20:100, 60:80] = coarse_colours()[2]
    assert np.array_equal(drawn, expected)


def test_coarse_map_of_a_box_off_the_image_draws_nothing():
    parts = np.ones((256, 256), np.uint8)
    assert np.array_equal(draw_coarse_map(GREY, parts, np.array([500.0, 0, 600, 50])), GREY)


def test_keypoints_without_label_are_not_drawn():
    xy = np.full((17, 2), 50.0)
    assert np.array_equal(draw_keypoints(GREY, xy, np.zeros(17, int)), GREY)
    left, right = np.zeros(17, int), np.zeros(17, int)
    left[5], right[6] = 2, 2
    blue, orange = (draw_keypoints(GREY, xy, v)[50, 50] for v in (left, right))
    assert blue[2] > blue[0]  # the person's left shoulder
    assert orange[0] > orange[2]


def test_panels_show_charts_and_small_images_are_enlarged():
    person = DensePoseAnnotation(
        point_xy=torch.tensor([[0.5, 0.5]]),
        point_charts=torch.tensor([4]),
        point_uv=torch.tensor([[0.0, 1.0]]),
    )
    picture = draw_annotations(GREY, np.array([[40, 20, 80, 100]]), DensePoseAnnotations([person]))
    assert picture.shape[0] >= 400
    # The third panel: the box centre (60, 60) at 400 / 120 times the size.
    zoom = 400 / 120
    width, gap = round(160 * zoom), 4
    top = picture.shape[0] - 400
    column, row = 2 * (width + gap) + int(60 * zoom), top + int(60 * zoom)
    assert picture[row, column].tolist() == chart_colours("sides")[4].tolist()


def test_any_mix_of_persons_is_drawn():
    people = fake_annotations(np.random.default_rng(0), 3)
    boxes = np.array([[0, 0, 50, 50], [10, 10, 90, 100], [60, 30, 150, 110]])
    drawn = draw_annotations(GREY, boxes, people)
    assert drawn.dtype == np.uint8
    empty = draw_annotations(GREY, np.zeros((0, 4)), DensePoseAnnotations([]))
    assert drawn.shape == empty.shape
    assert not np.array_equal(drawn, empty)
