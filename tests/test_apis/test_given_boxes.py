"""Boxes that callers give."""

import numpy as np
import pytest
import torch

from mmktn.apis.given_boxes import checked_boxes
from mmktn.utils.user_error import UserError


def test_boxes_are_clipped_to_the_picture():
    boxes = [[-1e5, -3, 1e5, 50], [1, 2, 3, 4]]
    assert checked_boxes(boxes, (40, 60)).tolist() == [[0, 0, 60, 40], [1, 2, 3, 4]]
    assert checked_boxes(boxes).tolist() == boxes


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), torch.zeros(0, 4)])
def test_no_boxes(empty):
    assert checked_boxes(empty, (4, 4)).shape == (0, 4)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([np.nan, 0, 1, 1], "not finite"),
        ([0, 0, np.inf, 1], "not finite"),
        ([5, 0, 2, 1], "no area"),
        ([0, 3, 2, 3], "no area"),
        ([60, 0, 70, 9], "outside its picture of 60 x 40"),
        ([0, -9, 7, 0], "outside its picture of 60 x 40"),
        ([1, 2, 3], "not four numbers"),
        ([1, 2, 3, 4, 0.9], "not four numbers"),
        (["1", "2", "3", "4"], "not four numbers"),
        ([True, True, False, False], "not four numbers"),
        ([[1, 2, 3, 4]], "not four numbers"),
        ([None] * 4, "not four numbers"),
        ([0, 0, 10**400, 9], "not four numbers"),
        (7, "not four numbers"),
        ({"x": 1}, "not four numbers"),
    ],
)
def test_the_first_bad_box_is_named(box, message):
    with pytest.raises(UserError, match=f"^a.jpg: box 1 .*{message}"):
        checked_boxes([[1, 1, 2, 2], box], (40, 60), where="a.jpg")


@pytest.mark.parametrize("value", [None, 3, True])
def test_what_is_no_list(value):
    with pytest.raises(UserError, match="not a list of boxes"):
        checked_boxes(value)
