import numpy as np
import pytest

from mmktn.annotator.part_maps import (
    checked_box,
    decode_runs,
    encode_runs,
    from_image,
    resample,
    to_image,
)
from mmktn.utils.user_error import UserError


def test_runs_are_the_map():
    grid = np.random.default_rng(0).integers(0, 5, (256, 256)).astype(np.uint8)
    grid[100:200] = 3
    np.testing.assert_array_equal(decode_runs(encode_runs(grid), 4), grid)
    assert encode_runs(np.zeros((256, 256), np.uint8)) == [0, 65536]


@pytest.mark.parametrize(
    ("runs", "match"),
    [
        (None, "not a list"),
        ([0], "not a list"),
        ([0, 65535], "add up"),
        ([0, 65537], "add up"),
        ([0, 65536, 1, 0], "add up"),
        ([5, 65536], "values are 0 to 4"),
        ([-1, 65536], "values are 0 to 4"),
        ([0, 65536.0], "whole numbers"),
        ([True, 65536], "whole numbers"),
        ([0, 10**30], "add up"),
    ],
)
def test_bad_runs_are_refused(runs, match):
    with pytest.raises(UserError, match=match):
        decode_runs(runs, 4)


def test_a_changed_box_leaves_parts_where_they_are_in_the_photo():
    labels = np.zeros((100, 100), np.uint8)
    labels[30:60, 20:50] = 2
    old, new = (10.0, 10.0, 64.0, 64.0), (0.0, 20.0, 96.0, 48.0)
    moved = resample(from_image(labels, old), old, new)
    shown = to_image(moved, new, (100, 100))
    assert (shown != (labels > 0)).mean() < 0.01


def test_map_and_image_are_inverse_for_a_box_larger_than_the_grid():
    grid = np.zeros((256, 256), np.uint8)
    grid[40:100, 30:90] = 1
    box = (100.0, 50.0, 512.0, 768.0)
    np.testing.assert_array_equal(
        from_image(to_image(grid, box, (900, 700)).astype(np.uint8), box), grid
    )


def test_boxes_are_cut_at_the_border():
    assert checked_box([-10, 5, 30.5, 500], (100, 80)) == (0.0, 5.0, 20.5, 75.0)


@pytest.mark.parametrize(
    "box",
    [None, [1, 2, 3], [0, 0, 1, 1], [200, 0, 10, 10], [0, 0, float("nan"), 9], ["0", 0, 9, 9],
     [0, 0, float("inf"), 9], [0, 0, True, 9], [0, 0, -9, 9]],
)  # fmt: skip
def test_bad_boxes_are_refused(box):
    with pytest.raises(UserError, match="box"):
        checked_box(box, (100, 80))
