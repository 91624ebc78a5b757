"""Rotation of image, boxes, masks and dense pose in region-based systems."""

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks

from mmktn.datasets.transforms import DensePoseRandomRotation, PackDensePoseInputs, TurnView
from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations
from mmktn.structures.box_grid import box_relative_to_image


def results(boxes=((10.0, 20, 30, 60), (0.0, 0, 4, 4))):
    image = np.zeros((80, 100, 3), np.uint8)
    image[30, 20] = 255
    masks = np.zeros((len(boxes), 80, 100), np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[int(y1) : int(y2), int(x1) : int(x2)] = 1
    person = DensePoseAnnotation(
        point_xy=torch.tensor([[0.525, 0.2625]]),  # the white pixel's centre in the first box
        point_charts=torch.tensor([3]),
        point_uv=torch.tensor([[0.25, 0.75]]),
        mesh="cat_9",
        vertex_xy=torch.tensor([[0.525, 0.2625]]),
        vertices=torch.tensor([5]),
    )
    return {
        "img": image,
        "gt_bboxes": HorizontalBoxes(torch.tensor(boxes)),
        "gt_bboxes_labels": np.zeros(len(boxes), np.int64),
        "gt_ignore_flags": np.zeros(len(boxes), bool),
        "gt_masks": BitmapMasks(masks, 80, 100),
        "gt_densepose": DensePoseAnnotations(
            [person] + [DensePoseAnnotation.without_densepose()] * (len(boxes) - 1)
        ),
        "gt_densepose_boxes": np.array(boxes, np.float32),
    }


@pytest.mark.parametrize("angle", [90.0, -30.0, 180.0])
def test_points_follow_the_pixels(angle):
    found = DensePoseRandomRotation(angles=(angle,))(results())
    box = torch.from_numpy(found["gt_densepose_boxes"][0])
    for name in ("point_xy", "vertex_xy"):
        x, y = box_relative_to_image(getattr(found["gt_densepose"][0], name), box)[0].tolist()
        around = found["img"][int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2]
        assert around.size
        assert around.max() > 100
    assert found["gt_densepose"][0].vertices.tolist() == [5]


def test_a_quarter_turn_is_counterclockwise_and_people_outside_are_dropped():
    found = DensePoseRandomRotation(angles=(90.0,))(results())
    # (x, y) -> (y + 10, 90 - x) about the centre (50, 40); the second box leaves the image.
    assert found["gt_bboxes"].tensor.tolist() == [[30, 60, 70, 80]]
    for name in ("gt_bboxes_labels", "gt_ignore_flags", "gt_densepose", "gt_densepose_boxes"):
        assert len(found[name]) == 1, name
    assert len(found["gt_masks"]) == 1
    rows, columns = np.nonzero(found["gt_masks"].masks[0])
    assert (columns.min(), columns.max() + 1) == (30, 70)
    assert (rows.min(), rows.max() + 1) == (60, 80)


def test_no_angle_changes_nothing():
    before = results()
    assert DensePoseRandomRotation()(before) is before
    with pytest.raises(ValueError, match="angles"):
        DensePoseRandomRotation(angles=())
    with pytest.raises(ValueError, match="two ends"):
        DensePoseRandomRotation(angles=(1.0,), choice=False)


def test_a_range_is_drawn_from():
    np.random.seed(0)  # noqa: NPY002
    step = DensePoseRandomRotation(angles=(-40.0, 40.0), choice=False)
    boxes = {tuple(step(results())["gt_bboxes"].tensor[0].tolist()) for _ in range(5)}
    assert len(boxes) == 5


@pytest.mark.parametrize(("angle", "turns"), [(90.0, 1), (180.0, 2), (-90.0, 3)])
def test_quarter_turns_of_a_view_move_whole_pixels(angle, turns):
    image = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    found = TurnView(angle)({"img": image})
    assert np.array_equal(found["img"], np.rot90(image, turns))
    assert found["img_shape"] == found["img"].shape[:2]


def test_a_turned_view_loses_nothing_and_says_where_pixels_went():
    image = np.zeros((40, 70, 3), np.uint8)
    corners = [(0, 0), (69, 0), (0, 39), (69, 39)]
    for x, y in corners:
        image[y, x] = 255
    found = TurnView(33, pad_color=(0, 0, 0))({"img": image, "img_path": "a.png"})
    height, width = found["img_shape"]
    for x, y in corners:
        moved_x, moved_y = found["view_matrix"] @ (x + 0.5, y + 0.5, 1)
        assert 0 < moved_x < width
        assert 0 < moved_y < height
        column, row = max(int(moved_x) - 1, 0), max(int(moved_y) - 1, 0)
        assert found["img"][row : row + 3, column : column + 3].max() > 60
    packed = PackDensePoseInputs(meta_keys=("img_path",))(found)["data_samples"]
    assert (packed.view_matrix == found["view_matrix"]).all()


def test_turning_a_view_by_nothing_changes_nothing_and_labels_are_refused():
    before = {"img": np.zeros((4, 4, 3), np.uint8)}
    assert set(TurnView(0)(before)) == {"img"}
    with pytest.raises(ValueError, match="DensePoseRandomRotation"):
        TurnView(10)(results())
