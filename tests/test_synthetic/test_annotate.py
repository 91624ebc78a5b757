import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmktn.surface.parts import CHART_TO_COARSE
from mmktn.synthetic.annotate import (
    UV_STEPS,
    DenseTruth,
    coarse_grid,
    coco_fields,
    crowd_index,
    dense_pose_fields,
    encode_rle,
    tight_box,
)


@pytest.fixture
def painted():
    """A person of four charts in a 60 x 50 image, U and V linear in the image."""
    chart = np.zeros((60, 50), np.uint8)
    chart[5:15, 20:30] = 23
    chart[15:35, 15:25] = 2
    chart[15:35, 25:33] = 1
    chart[35:55, 18:24] = 9
    y, x = np.mgrid[0:60, 0:50]
    mask = chart > 0
    u = np.where(mask, x * 1300, 0).astype(np.uint16)
    v = np.where(mask, y * 1000, 0).astype(np.uint16)
    return DenseTruth(mask.astype(np.uint8), chart, u, v)


def test_convention_box_is_tight_around_visible_pixels(painted):
    assert tight_box(painted.instance == 1) == [15.0, 5.0, 18.0, 50.0]
    with pytest.raises(ValueError, match="no pixel"):
        tight_box(np.zeros((3, 3), bool))


def test_convention_points_invert_the_training_mapping(painted):
    mask = painted.instance == 1
    box = tight_box(mask)
    fields = dense_pose_fields(painted, mask, box, rng=np.random.default_rng(0))
    x = box[0] + np.array(fields["dp_x"]) * box[2] / 256
    y = box[1] + np.array(fields["dp_y"]) * box[3] / 256
    # dp_x is written with 4 decimals: 5e-5 * 50 / 256 of a pixel.
    np.testing.assert_allclose(x % 1, 0.5, atol=2e-5)
    np.testing.assert_allclose(y % 1, 0.5, atol=2e-5)
    cells = y.astype(int), x.astype(int)
    np.testing.assert_array_equal(painted.chart[cells], fields["dp_I"])
    np.testing.assert_allclose(painted.u[cells] / UV_STEPS, fields["dp_U"], atol=5e-7)
    np.testing.assert_allclose(painted.v[cells] / UV_STEPS, fields["dp_V"], atol=5e-7)


def test_convention_evaluator_reading_is_within_one_pixel(painted):
    mask = painted.instance == 1
    box = tight_box(mask)
    fields = dense_pose_fields(painted, mask, box, rng=np.random.default_rng(0))
    for key, size in (("dp_x", box[2]), ("dp_y", box[3])):
        grid = np.array(fields[key])
        shift = (grid * size / 255).astype(int) - (grid * size / 256).astype(int)
        assert set(shift) <= {0, 1}
        assert np.all(shift[grid < 127] == 0)


def test_points_agree_with_the_coarse_masks(painted):
    mask = painted.instance == 1
    fields = dense_pose_fields(painted, mask, tight_box(mask), rng=np.random.default_rng(2))
    masks = [m if m == [] else coco_mask.decode(m) for m in fields["dp_masks"]]
    assert len(masks) == 14
    assert [k + 1 for k, m in enumerate(masks) if len(m)] == [1, 6, 14]
    for x, y, chart in zip(fields["dp_x"], fields["dp_y"], fields["dp_I"], strict=True):
        assert masks[CHART_TO_COARSE[int(chart)] - 1][int(y), int(x)] == 1
    parts = CHART_TO_COARSE[np.array(fields["dp_I"], int)]
    assert np.bincount(parts).max() <= 14
    assert {int(c) for c in fields["dp_I"]} == {1, 2, 9, 23}


def test_coarse_grid_shows_the_pixel_under_each_cell_centre(painted):
    mask = painted.instance == 1
    box = tight_box(mask)
    grid = coarse_grid(painted.chart, mask, box)
    for gy, gx in [(0, 0), (10, 128), (100, 40), (255, 100), (200, 250)]:
        x = int(box[0] + (gx + 0.5) * box[2] / 256)
        y = int(box[1] + (gy + 0.5) * box[3] / 256)
        assert grid[gy, gx] == CHART_TO_COARSE[painted.chart[y, x]]


def test_only_own_pixels_are_annotated(painted):
    painted.instance[:, 25:] *= 2
    mask = painted.instance == 1
    fields = dense_pose_fields(painted, mask, tight_box(mask), rng=np.random.default_rng(0))
    assert 1.0 not in fields["dp_I"]


def test_segmentation_round_trip_and_area(painted):
    mask = painted.instance == 1
    keypoints = np.array([[3.456, 7.0, 2], [100.0, 3.0, 0], [9, 10, 1]])
    fields = coco_fields(mask, tight_box(mask), keypoints)
    decoded = coco_mask.decode(fields["segmentation"])
    np.testing.assert_array_equal(decoded, mask)
    assert fields["area"] == mask.sum() == coco_mask.area(fields["segmentation"])
    assert fields["keypoints"] == [2.96, 6.5, 2, 0, 0, 0, 8.5, 9.5, 1]  # pixel indices
    assert fields["num_keypoints"] == 2
    assert isinstance(encode_rle(mask)["counts"], str)


def test_crowd_index_of_two_persons_by_hand():
    """A has 4 own keypoints in its box and 1 of B's; B has 2 own inside its box and 0 of A's."""
    a = [[1, 1, 2], [2, 2, 2], [3, 3, 1], [4, 4, 2]]
    b = [[9, 9, 2], [4.5, 4.5, 1], [30, 30, 2], [3, 3, 0]]  # one outside both boxes, one unlabelled
    boxes = [[0, 0, 5, 5], [4.2, 4.2, 6, 6]]
    keypoints = np.array([a, b], float)
    assert crowd_index(boxes, keypoints) == pytest.approx((1 / 4 + 0 / 2) / 2)
    assert crowd_index(boxes[:1], keypoints[:1]) == 0
    assert crowd_index([], np.zeros((0, 4, 3))) == 0


def test_crowd_index_is_cut_at_one():
    keypoints = np.tile(np.array([[2.0, 2.0, 2]]), (4, 3, 1))
    assert crowd_index([[0, 0, 5, 5]] * 4, keypoints) == 1.0
