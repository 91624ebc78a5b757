"""The crop's frame: agrees with mmpose up to its half pixel, and goes there and back."""

import cv2
import numpy as np
import pytest
import torch

from mmktn.structures.box_grid import move_image_points
from mmktn.structures.crop_grid import (
    box_in_window,
    crop_matrix,
    crop_window,
    index_matrix,
    upright_box,
)


def test_centre_goes_to_the_middle_and_the_window_fills_the_crop():
    matrix = crop_matrix((50.5, 80.25), (60, 80), size_wh=(96, 128))
    points = torch.tensor([[50.5, 80.25], [20.5, 40.25], [80.5, 120.25]], dtype=torch.float64)
    expected = torch.tensor([[48, 64], [0, 0], [96, 128]], dtype=torch.float64)
    torch.testing.assert_close(move_image_points(points, matrix), expected)
    window = crop_window(torch.tensor([50.5, 80.25]), torch.tensor([60.0, 80.0]))
    assert window.tolist() == [20.5, 40.25, 80.5, 120.25]


@pytest.mark.parametrize("rotation", [0.0, 30.0, -75.0])
def test_same_matrix_as_mmpose(rotation):
    transforms = pytest.importorskip("mmpose.structures.bbox")
    center, scale = np.array([50.5, 80.25], np.float32), np.array([60, 80], np.float32)
    theirs = transforms.get_warp_matrix(center, scale, rotation, output_size=(96, 128))
    ours = crop_matrix(center, scale, size_wh=(96, 128), rotation=rotation)
    # theirs comes out of three float32 points
    np.testing.assert_allclose(ours.numpy(), theirs, atol=2e-4)


def test_quarter_turn_by_hand():
    """A point right of the centre in the image lies above it in a crop turned clockwise."""
    matrix = crop_matrix((10, 10), (8, 8), size_wh=(8, 8), rotation=90)
    point = move_image_points(torch.tensor([12.0, 10.0], dtype=torch.float64), matrix)
    torch.testing.assert_close(point, torch.tensor([4.0, 2.0], dtype=torch.float64))


def test_index_matrix_moves_pixel_centres():
    matrix = crop_matrix((50.5, 80.25), (60, 80), size_wh=(96, 128), rotation=20)
    index = torch.tensor([[3.0, 7.0]], dtype=torch.float64)
    centres = move_image_points(index + 0.5, matrix)
    torch.testing.assert_close(move_image_points(index, index_matrix(matrix)), centres - 0.5)


def test_warped_image_shows_a_ramp_at_its_pixel_centres():
    """Linear interpolation of a linear ramp is exact: each crop pixel has its place's value."""
    ramp = np.tile(np.arange(64, dtype=np.float32) + 0.5, (64, 1))
    matrix = crop_matrix((30.2, 33.1), (24, 32), size_wh=(48, 64))
    crop = cv2.warpAffine(ramp, index_matrix(matrix).numpy(), (48, 64), flags=cv2.INTER_LINEAR)
    x = 30.2 + (np.arange(48) + 0.5 - 24) * 24 / 48
    # OpenCV interpolates in steps of 1/32 pixel
    np.testing.assert_allclose(crop[20], x, atol=1 / 32)


def test_upright_box_holds_the_turned_one():
    matrix = crop_matrix((10, 10), (8, 8), size_wh=(8, 8), rotation=45)
    box = upright_box(torch.tensor([9.0, 9.0, 11.0, 11.0]), matrix)
    half = 2**0.5
    expected = torch.tensor([4 - half, 4 - half, 4 + half, 4 + half], dtype=torch.float64)
    torch.testing.assert_close(box, expected)


def test_boxes_as_shares_of_their_windows():
    boxes = torch.tensor([[2.0, 4.0, 6.0, 8.0], [1.0, 1.0, 3.0, 3.0]])
    windows = torch.tensor([[0.0, 0.0, 8.0, 16.0], [1.0, 1.0, 3.0, 3.0]])
    shares = box_in_window(boxes, windows)
    assert shares.tolist() == [[0.25, 0.25, 0.75, 0.5], [0.0, 0.0, 1.0, 1.0]]
    assert box_in_window(boxes[:0], windows[:0]).shape == (0, 4)


def test_window_without_size_is_an_error():
    with pytest.raises(ValueError, match="no width or height"):
        box_in_window(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[0.0, 0.0, 0.0, 1.0]]))


@pytest.mark.parametrize("scale", [(0, 4), (4, float("nan")), (-1, 4), (float("inf"), 4)])
def test_crop_without_size_is_an_error(scale):
    with pytest.raises(ValueError, match="scale_wh"):
        crop_matrix((0, 0), scale, size_wh=(8, 8))


def test_training_and_decoding_see_the_box_in_the_same_place():
    """The box in crop pixels over the crop's size is the box's share of the crop's window."""
    center, scale, size = (50.5, 80.25), (60.0, 80.0), (96, 128)
    box = torch.tensor([33.0, 51.0, 71.5, 117.25], dtype=torch.float64)
    there = upright_box(box, crop_matrix(center, scale, size_wh=size))
    window = crop_window(torch.tensor(center), torch.tensor(scale)).double()
    shares = box_in_window(box[None], window[None])[0]
    torch.testing.assert_close(there / torch.tensor([*size, *size]), shares)


@pytest.mark.parametrize("rotation", [0.0, 33.0, -120.0])
def test_there_and_back_is_the_identity(rotation):
    matrix = crop_matrix((50.5, 80.25), (60, 80), size_wh=(96, 128), rotation=rotation)
    inverse = torch.linalg.inv(torch.cat((matrix, torch.tensor([[0.0, 0, 1]]).double())))[:2]
    points = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)).double() * 100
    back = move_image_points(move_image_points(points, matrix), inverse)
    torch.testing.assert_close(back, points)
