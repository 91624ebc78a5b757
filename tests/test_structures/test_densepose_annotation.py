"""One person's ground truth: checks, flips, re-basing."""

import numpy as np
import pytest
import torch

from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations, FlipRules
from mmktn.structures.box_grid import box_relative_to_image
from mmktn.surface import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, load_surface
from tests.fake_annotations import fake_annotation, fake_annotations


@pytest.fixture(scope="module")
def rules():
    return FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, load_surface("human").symmetry.flip_uv)


@pytest.fixture
def person():
    return fake_annotation(np.random.default_rng(3), 300)


def assert_equal(a, b, uv_atol=0.0):
    assert torch.equal(a.point_charts, b.point_charts)
    assert torch.equal(a.coarse_map, b.coarse_map)
    assert torch.equal(a.keypoint_visible, b.keypoint_visible)
    # 1 - (1 - x) in float32 loses at most one rounding at 1.
    torch.testing.assert_close(a.point_xy, b.point_xy, atol=1e-7, rtol=0)
    torch.testing.assert_close(a.keypoint_xy, b.keypoint_xy, atol=1e-7, rtol=0)
    torch.testing.assert_close(a.point_uv, b.point_uv, atol=uv_atol, rtol=0)


def test_convention_flip_values_by_hand():
    coarse = torch.zeros(256, 256, dtype=torch.uint8)
    coarse[10, 20] = 2  # right hand
    coarse[11, 0] = 14  # head
    keypoints = torch.zeros(17, 2)
    keypoints[5] = torch.tensor([0.2, 0.3])  # left shoulder
    visible = torch.zeros(17, dtype=torch.int64)
    visible[5] = 2
    person = DensePoseAnnotation(
        point_xy=torch.tensor([[0.25, 0.5], [0.75, 0.125]]),
        point_charts=torch.tensor([3, 2]),
        point_uv=torch.tensor([[0.1, 0.2], [0.3, 0.4]]),
        coarse_map=coarse,
        keypoint_xy=keypoints,
        keypoint_visible=visible,
    )
    seen = []

    def flip_uv(charts, u, v):
        seen.append(charts.tolist())
        return 1 - u, v / 2

    flipped = person.flip(FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, flip_uv))
    assert flipped.point_xy.tolist() == [[0.75, 0.5], [0.25, 0.125]]
    assert flipped.point_charts.tolist() == [4, 2]  # right hand -> left hand, torso stays
    assert seen == [[3, 2]]  # tables are read with the charts before the swap, torso included
    np.testing.assert_allclose(flipped.point_uv, [[0.9, 0.1], [0.7, 0.2]], atol=1e-7)
    assert flipped.coarse_map[10, 235] == 3
    assert flipped.coarse_map[11, 255] == 14
    assert int((flipped.coarse_map > 0).sum()) == 2
    assert flipped.keypoint_xy[6].tolist() == [pytest.approx(0.8), pytest.approx(0.3)]
    assert flipped.keypoint_visible.tolist() == [0] * 6 + [2] + [0] * 10
    assert person.point_charts.tolist() == [3, 2]  # the original is untouched


def test_convention_flip_twice_is_the_identity_up_to_a_table_step(person, rules):
    assert_equal(person.flip(rules).flip(rules), person, uv_atol=1 / 255)


def test_flip_of_containers_keeps_order_and_persons_without_dense_pose(rules):
    people = fake_annotations(np.random.default_rng(0), 4)
    flipped = people.flip(rules)
    assert flipped.valid.tolist() == [True, False, True, False]
    assert flipped.num_points.tolist() == [10, 0, 12, 0]
    back = flipped.flip(rules)
    torch.testing.assert_close(back[3].keypoint_xy, people[3].keypoint_xy, atol=1e-7, rtol=0)


def test_flip_without_tables_is_an_error_only_where_points_are(person):
    rules = FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, None)
    with pytest.raises(ValueError, match="UV symmetry tables"):
        person.flip(rules)
    assert DensePoseAnnotation.without_densepose().flip(rules).num_points == 0


def test_any_number_of_points_is_taken():
    assert fake_annotation(np.random.default_rng(0), 237).num_points == 237
    assert fake_annotation(np.random.default_rng(0), 0).num_points == 0


def test_rebase_moves_no_pixel(person):
    box, clipped = (
        torch.tensor([-20.0, 10.0, 236.0, 266.0]),
        torch.tensor([0.0, 10.0, 236.0, 200.0]),
    )
    rebased = person.rebase(box, clipped)
    for name in ("point_xy", "keypoint_xy"):
        torch.testing.assert_close(
            box_relative_to_image(getattr(rebased, name), clipped),
            box_relative_to_image(getattr(person, name), box),
            atol=1e-4,  # float32 at 256 px
            rtol=0,
        )
    # The box is 256 px wide: pixel (x, y) is cell (x + 20, y - 10) of the first map.
    for x, y in ((5, 50), (100, 120), (230, 190)):
        column, row = int(x * 256 / 236 + 0.5), int((y - 10) * 256 / 190 + 0.5)
        pixel = box_relative_to_image(
            torch.tensor([[(column + 0.5) / 256, (row + 0.5) / 256]]), clipped
        )[0]
        before = person.coarse_map[int(pixel[1] - 10), int(pixel[0] + 20)]
        assert rebased.coarse_map[row, column] == before


WRONG = {
    "point_xy": {"point_xy": torch.zeros(2, 2)},
    "point_uv": {"point_uv": torch.zeros(3, 3)},
    "coarse_map": {"coarse_map": torch.zeros(56, 56)},
    "keypoint_visible": {"keypoint_xy": torch.zeros(17, 2), "keypoint_visible": torch.zeros(14)},
    "keypoint_xy and keypoint_visible": {"keypoint_xy": torch.zeros(17, 2)},
    "valid": {"valid": False},
}


@pytest.mark.parametrize(("field", "change"), WRONG.items(), ids=WRONG.keys())
def test_fields_that_do_not_fit_are_named(field, change):
    right = {
        "point_xy": torch.zeros(3, 2),
        "point_charts": torch.ones(3, dtype=torch.long),
        "point_uv": torch.zeros(3, 2),
    }
    with pytest.raises(ValueError, match=field):
        DensePoseAnnotation(**(right | change))


def test_valid_and_num_points_of_an_empty_container():
    empty = DensePoseAnnotations([])
    assert empty.valid.dtype == torch.bool
    assert empty.valid.shape == empty.num_points.shape == (0,)
