import numpy as np
import pytest

from mmktn.formats.iuv_canvas import paint_people, painting_order
from tests.test_visualization.people import plain_iuv, random_iuv


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], []),  # nobody
        ([0.9], [0]),
        ([0.9, 0.1, 0.5], [1, 2, 0]),  # ascending: the best is painted last
        ([0.5, 0.5, 0.9], [1, 0, 2]),  # equals: the first of them on top
        (None, [2, 1, 0]),  # no scores: input order from top to bottom
    ],
)
def test_painting_order(scores, expected):
    number = 3 if scores is None else len(scores)
    assert painting_order(scores, number).tolist() == expected


def test_highest_score_is_on_top_and_ids_follow_the_input():
    boxes = np.array([[0, 0, 4, 4], [2, 2, 6, 6]], float)
    iuvs = [plain_iuv(4, 4, 2, 10, 20), plain_iuv(4, 4, 9, 30, 40)]
    canvas = paint_people((6, 6), boxes, iuvs=iuvs, scores=[0.4, 0.8])
    assert canvas.iuv[:, 3, 3].tolist() == [9, 30, 40]
    assert canvas.instances[3, 3] == 2
    assert canvas.instances[0, 0] == 1
    assert canvas.instances[0, 5] == 0
    swapped = paint_people((6, 6), boxes, iuvs=iuvs, scores=[0.8, 0.4])
    assert swapped.iuv[:, 3, 3].tolist() == [2, 10, 20]


def test_a_pixel_never_mixes_people():
    # The person on top has U = 0 here: a merge by channel would let the lower person's U through.
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 2]], float)
    canvas = paint_people(
        (2, 2),
        boxes,
        iuvs=[plain_iuv(2, 2, 3, 200, 200), plain_iuv(2, 2, 5, 0, 0)],
        scores=[0.1, 1],
    )
    assert (canvas.iuv[1:] == 0).all()
    assert (canvas.labels == 5).all()


def test_background_of_the_person_on_top_is_transparent():
    top = plain_iuv(2, 2, 5)
    top[:, 0] = 0
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 2]], float)
    canvas = paint_people((2, 2), boxes, iuvs=[plain_iuv(2, 2, 3), top], scores=[0.1, 1])
    assert canvas.labels.tolist() == [[3, 3], [5, 5]]


def test_convention_results_start_at_the_truncated_corner():
    canvas = paint_people((5, 5), np.array([[1.9, 2.2, 3.95, 4.3]]), iuvs=[plain_iuv(2, 2, 7)])
    assert np.argwhere(canvas.mask).tolist() == [[2, 1], [2, 2], [3, 1], [3, 2]]


def test_what_leaves_the_image_is_cut_off():
    iuv = random_iuv(4, 6, seed=2)
    canvas = paint_people((3, 4), np.array([[-2, -1, 4, 3]]), iuvs=[iuv])
    assert (canvas.iuv[:, :3, :4] == iuv[:, 1:4, 2:6] * (iuv[:1, 1:4, 2:6] > 0)).all()
    outside = paint_people((3, 4), np.array([[10, 10, 16, 14]]), iuvs=[iuv])
    assert not outside.mask.any()


def test_uv_is_the_bytes_over_255():
    canvas = paint_people((1, 1), np.array([[0, 0, 1, 1]]), iuvs=[plain_iuv(1, 1, 1, 51, 255)])
    assert canvas.uv[:, 0, 0].tolist() == pytest.approx([0.2, 1.0])


@pytest.mark.parametrize(
    ("boxes", "iuvs", "scores", "message"),
    [
        ([[0, 0, 2, 2]], [], None, "1 boxes for 0 chart results"),
        ([[0, 0, 2, 2]], [plain_iuv(2, 2, 1)], [1, 2], "2 scores for 1 people"),
        ([[0, 0, 2, 2]], [plain_iuv(2, 2, 1)], [float("nan")], "score of person 0 is NaN"),
        ([[0, 0, 9, 2]], [plain_iuv(2, 2, 1)], None, r"is \(2, 2\) but its box is \(2, 9\)"),
        ([[0, 0, 2, 2]], [np.zeros((3, 2, 2))], None, "float64; expected"),
    ],
)
def test_bad_results_are_named(boxes, iuvs, scores, message):
    with pytest.raises(ValueError, match=message):
        paint_people((4, 4), np.array(boxes, float), iuvs=iuvs, scores=scores)
