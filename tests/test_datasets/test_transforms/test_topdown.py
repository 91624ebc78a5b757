"""The top-down pipeline: every label stays on its pixel, flips follow the rules."""

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from mmktn.registry import TRANSFORMS
from mmktn.structures import DensePoseAnnotations
from mmktn.structures.box_grid import box_relative_to_image, move_image_points
from mmktn.structures.crop_grid import crop_matrix
from mmktn.surface import CHART_FLIP
from mmktn.utils.setup_env import register_all_modules
from tests.fake_annotations import fake_annotation

SIZE = (48, 64)
BOX = np.array([[20.0, 10.0, 50.0, 70.0]], np.float32)


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules(init_default_scope=False)
    init_default_scope("mmpose")


def person(seed=0):
    """A noise image with one annotated person."""
    rng = np.random.default_rng(seed)
    return {
        "img": rng.integers(0, 256, (90, 80, 3), dtype=np.uint8),
        "img_shape": (90, 80),
        "ori_shape": (90, 80),
        "img_id": 7,
        "id": 3,
        "bbox": BOX.copy(),
        "bbox_score": np.ones(1, np.float32),
        "gt_densepose": DensePoseAnnotations([fake_annotation(rng)]),
        "gt_densepose_boxes": BOX.copy(),
    }


def apply(results, *steps):
    for step in steps:
        results = TRANSFORMS.build(step)(results)
    return results


CENTER = {"type": "GetBBoxCenterScale", "padding": 1.25}
CROP = {"type": "mmktn.TopdownDensePoseAffine", "input_size": SIZE}
PACK = {"type": "mmktn.PackTopdownDensePose"}


def pixels(results, name="point_xy"):
    """Labels in crop pixels."""
    points = getattr(results["gt_densepose"][0], name)
    return box_relative_to_image(points, results["crop_bbox"][0])


def test_without_rotation_the_coordinates_do_not_change():
    before = person()
    annotation = before["gt_densepose"][0]
    after = apply(before, CENTER, CROP)
    assert after["gt_densepose"][0] is annotation
    assert after["img"].shape == (64, 48, 3)
    # box 30 x 60, x 1.25 = 37.5 x 75, widened to 3 : 4 = 56.25 x 75; 48 crop pixels over 56.25
    assert after["input_scale"].tolist() == [56.25, 75.0]
    factor = 48 / 56.25
    expected = [24 - 15 * factor, 32 - 30 * factor, 24 + 15 * factor, 32 + 30 * factor]
    np.testing.assert_allclose(after["crop_bbox"], [expected], rtol=1e-6)


@pytest.mark.parametrize("rotation", [0.0, 17.0, -60.0, 180.0])
@pytest.mark.parametrize("name", ["point_xy", "keypoint_xy"])
def test_points_follow_the_affine_map(rotation, name):
    results = person()
    image = box_relative_to_image(
        getattr(results["gt_densepose"][0], name).double(), torch.from_numpy(BOX[0]).double()
    )
    results["bbox_rotation"] = np.array([rotation])
    after = apply(results, CENTER, CROP)
    matrix = crop_matrix((35, 40), (56.25, 75), size_wh=SIZE, rotation=rotation)
    # float32 coordinates of some ten pixels
    torch.testing.assert_close(
        pixels(after, name).double(), move_image_points(image, matrix), rtol=0, atol=1e-4
    )


def test_turning_by_a_tiny_angle_is_not_turning():
    """The rotated path agrees with the upright one in its limit."""
    upright = apply(person(), CENTER, CROP)
    results = person()
    results["bbox_rotation"] = np.array([1e-6])
    turned = apply(results, CENTER, CROP)
    torch.testing.assert_close(pixels(turned), pixels(upright), rtol=0, atol=1e-4)
    a, b = (item["gt_densepose"][0].coarse_map for item in (upright, turned))
    assert (a != b).float().mean() < 0.01


def test_image_and_labels_move_together():
    """A white spot under a point is white under the moved point."""
    results = person()
    results["img"][:] = 0
    results["img"][30:34, 28:32] = 255  # around (30, 32)
    annotation = results["gt_densepose"][0]
    annotation.point_xy[0] = torch.tensor([(30 - 20) / 30, (32 - 10) / 60])
    results["bbox_rotation"] = np.array([40.0])
    after = apply(results, CENTER, CROP)
    x, y = pixels(after)[0].floor().long().tolist()
    assert after["img"][y, x].min() == 255
    bright = np.argwhere(after["img"][..., 0] > 0).mean(axis=0)[::-1] + 0.5
    np.testing.assert_allclose(bright, pixels(after)[0], atol=0.2)


def test_flip_mirrors_image_box_and_labels():
    before, plain = person(), person()
    flipped = apply(before, {"type": "mmktn.TopdownDensePoseFlip", "prob": 1.0})
    assert np.array_equal(flipped["img"], plain["img"][:, ::-1])
    assert flipped["bbox"].tolist() == [[30.0, 10.0, 60.0, 70.0]]
    assert flipped["gt_densepose_boxes"].tolist() == flipped["bbox"].tolist()
    a, b = plain["gt_densepose"][0], flipped["gt_densepose"][0]
    assert torch.equal(b.point_charts, torch.from_numpy(CHART_FLIP)[a.point_charts])
    x = box_relative_to_image(a.point_xy, torch.from_numpy(BOX[0]))[:, 0]
    mirrored = box_relative_to_image(b.point_xy, torch.from_numpy(flipped["bbox"][0]))[:, 0]
    torch.testing.assert_close(mirrored, 80 - x)


def test_crop_of_the_mirrored_image_is_the_mirrored_crop():
    """Exact up to OpenCV's steps of 1/32 pixel, since pixel centres are centres in both frames."""
    flip = {"type": "mmktn.TopdownDensePoseFlip", "prob": 1.0}
    mirrored, plain = apply(person(), flip, CENTER, CROP), apply(person(), CENTER, CROP)
    difference = mirrored["img"][:, ::-1].astype(int) - plain["img"]
    assert np.abs(difference).mean() < 255 / 32
    x = pixels(plain)[:, 0]
    torch.testing.assert_close(pixels(mirrored)[:, 0], 48 - x, rtol=0, atol=1e-4)


def test_flip_after_the_centre_is_an_error():
    with pytest.raises(ValueError, match="before GetBBoxCenterScale"):
        apply(person(), CENTER, {"type": "mmktn.TopdownDensePoseFlip"})


def test_two_boxes_in_a_sample_are_an_error():
    results = person()
    results["bbox"] = np.repeat(BOX, 2, axis=0)
    with pytest.raises(ValueError, match="2 boxes in one sample"):
        apply(results, CENTER, CROP)


def test_packed_sample_holds_what_head_and_metric_read():
    sample = apply(person(), CENTER, CROP, PACK)["data_samples"]
    truth, meta = sample.gt_instances, sample.metainfo
    assert truth.bboxes.tolist() == BOX.tolist()
    assert truth.bbox_scores.tolist() == [1.0]
    assert truth.crop_bboxes.shape == (1, 4)
    assert len(truth.densepose) == len(truth) == 1
    assert meta["input_size"] == SIZE
    assert (meta["img_id"], meta["id"], meta["ori_shape"]) == (7, 3, (90, 80))
    assert truth.to("cpu").densepose[0].num_points == 20


def test_test_pipeline_needs_no_ground_truth():
    results = person()
    del results["gt_densepose"], results["gt_densepose_boxes"]
    packed = apply(results, CENTER, CROP, PACK)
    assert packed["inputs"].shape == (3, 64, 48)
    assert "densepose" not in packed["data_samples"].gt_instances


def test_labels_that_missed_the_crop_are_an_error():
    results = apply(person(), CENTER, {"type": "TopdownAffine", "input_size": SIZE})
    with pytest.raises(ValueError, match="does not refer to the crop"):
        apply(results, PACK)
