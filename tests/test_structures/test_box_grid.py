"""Frames: hand-computed values of every conversion, and the laws between them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import grid_sample

from mmktn.structures import box_grid

BOX = torch.tensor([100.0, 40.0, 164.0, 168.0])  # 64 wide, 128 high


def test_convention_annotation_grid_has_256_cells_a_box_side():
    dp = torch.tensor([[0.0, 256.0], [128.0, 64.0]])
    relative = box_grid.annotation_grid_to_box_relative(dp)
    assert relative.tolist() == [[0.0, 1.0], [0.5, 0.25]]


def test_convention_training_reads_points_at_box_x_plus_dp_x_w_over_256():
    relative = box_grid.annotation_grid_to_box_relative(torch.tensor([[64.0, 32.0]]))
    assert box_grid.box_relative_to_image(relative, BOX).tolist() == [[116.0, 56.0]]


def test_box_relative_to_image_takes_one_box_a_group_of_points():
    points = torch.tensor([[[0.5, 0.5]], [[0.0, 1.0]]])
    boxes = torch.tensor([[0.0, 0.0, 10.0, 20.0], [5.0, 6.0, 7.0, 10.0]])
    image = box_grid.box_relative_to_image(points, boxes)
    assert image.tolist() == [[[5.0, 10.0]], [[5.0, 10.0]]]
    assert torch.equal(box_grid.image_to_box_relative(image, boxes), points)


def test_image_to_box_relative_rejects_a_flat_box():
    with pytest.raises(ValueError, match="no width or height"):
        box_grid.image_to_box_relative(torch.zeros(1, 2), torch.tensor([3.0, 3.0, 3.0, 9.0]))


def test_convention_mirror_is_one_minus_x():
    assert box_grid.mirror_box_relative(torch.tensor([[0.25, 0.7]])).tolist() == [
        [0.75, pytest.approx(0.7)]
    ]


def test_convention_map_grid_counts_cells_without_half_cell_offset():
    points = torch.tensor([[100.0, 40.0], [124.0, 168.0], [92.0, 72.0]])
    cells = box_grid.image_to_map_grid(points, BOX, (8, 16))
    # 16 columns over 64 px: 4 px a cell; 8 rows over 128 px: 16 px a cell.
    assert cells.tolist() == [[0.0, 0.0], [6.0, 8.0], [-2.0, 2.0]]


def test_points_inside_rois_is_half_open():
    points = torch.tensor([[100.0, 40.0], [163.99, 167.99], [164.0, 50.0], [99.99, 50.0]])
    assert box_grid.points_inside_rois(points, BOX).tolist() == [True, True, False, False]


def test_keypoint_cells_floor_and_right_edge():
    keypoints = torch.tensor([[[100.0, 40.0], [105.9, 72.0], [164.0, 168.0], [164.1, 50.0]]])
    cells, inside = box_grid.image_to_keypoint_cells(keypoints, BOX[None], (8, 16))
    # (5.9 px / 4) -> column 1, (32 px / 16) -> row 2; the far corner is the last cell.
    assert cells.tolist() == [[0, 2 * 16 + 1, 7 * 16 + 15, 0]]
    assert inside.tolist() == [[True, True, True, False]]


def test_sampling_grid_reads_position_i_over_a_of_the_roi():
    # The map over the box counts its columns; the RoI is the right half of the box.
    columns = torch.arange(257.0).expand(257, 257)[None, None]
    roi = torch.tensor([[132.0, 40.0, 164.0, 168.0]])
    grid = box_grid.roi_to_box_sampling_grid(roi, BOX[None], (4, 4))
    assert grid.shape == (1, 4, 4, 2)
    read = grid_sample(columns, grid, mode="nearest", padding_mode="zeros", align_corners=True)
    # align_corners: relative position p is sample 256 p; cells lie at 1/2, 5/8, 6/8, 7/8.
    assert read[0, 0, 0].tolist() == [128.0, 160.0, 192.0, 224.0]
    assert grid[0, :, 0, 1].tolist() == [-1.0, -0.5, 0.0, 0.5]


def test_sampling_grid_leaves_cells_outside_the_box_empty():
    ones = torch.ones(1, 1, 16, 16)
    roi = torch.tensor([[36.0, 40.0, 164.0, 168.0]])  # twice as wide, left half outside
    grid = box_grid.roi_to_box_sampling_grid(roi, BOX[None], (1, 4))
    read = grid_sample(ones, grid, mode="nearest", padding_mode="zeros", align_corners=True)
    assert read.flatten().tolist() == [0.0, 0.0, 1.0, 1.0]


def test_convention_result_frame_truncates_and_has_at_least_one_pixel():
    boxes = torch.tensor([[1.9, 2.2, 5.8, 10.1], [3.0, 3.0, 3.4, 3.2]])
    assert box_grid.result_box_hw(boxes).tolist() == [[7, 3], [1, 1]]
    assert box_grid.result_box_origin_xy(boxes).tolist() == [[1, 2], [3, 3]]
    assert box_grid.result_box_hw(torch.zeros(0, 4)).shape == (0, 2)


def test_box_map_to_other_box_keeps_labels_under_the_same_pixels():
    labels = torch.arange(64, dtype=torch.uint8).view(8, 8)
    box = torch.tensor([0.0, 0.0, 8.0, 8.0])
    clipped = torch.tensor([4.0, 0.0, 8.0, 8.0])
    moved = box_grid.box_map_to_other_box(labels, box, clipped)
    assert moved.dtype == torch.uint8
    # Eight cells over four pixels: every column of the right half twice.
    assert moved[0].tolist() == [4, 4, 5, 5, 6, 6, 7, 7]
    wider = box_grid.box_map_to_other_box(labels, box, torch.tensor([-8.0, 0.0, 8.0, 8.0]))
    assert wider[1].tolist() == [0, 0, 0, 0, 9, 11, 13, 15]


boxes = st.tuples(*[st.floats(0, 500), st.floats(0, 500), st.floats(2, 400), st.floats(2, 400)])


@settings(max_examples=50, deadline=None)
@given(first=boxes, second=boxes, x=st.floats(0, 1), y=st.floats(0, 1))
def test_rebasing_moves_no_pixel(first, second, x, y):
    from_box, to_box = (
        torch.tensor([b[0], b[1], b[0] + b[2], b[1] + b[3]], dtype=torch.float64)
        for b in (first, second)
    )
    points = torch.tensor([[x, y]], dtype=torch.float64)
    rebased = box_grid.box_relative_to_other_box(points, from_box, to_box)
    before = box_grid.box_relative_to_image(points, from_box)
    after = box_grid.box_relative_to_image(rebased, to_box)
    # float64 on coordinates below 1000 px, two roundings: far below a millionth of a pixel.
    torch.testing.assert_close(after, before, atol=1e-6, rtol=0)
