import numpy as np
import pytest
from pycocotools import mask as coco_mask
from scipy.ndimage import zoom

from mmktn.evaluation.functional.densepose.ground_truth import ImageInfo
from mmktn.evaluation.functional.masks.mask_iou import (
    CroppedMask,
    box_iou_matrix,
    crop_to_content,
    mask_iou_matrix,
    paste_mask,
    segmentation_mask,
    true_mask_iou_matrix,
    truth_mask,
)
from mmktn.evaluation.functional.masks.part_masks import merged_part_masks, resize_part_mask
from tests.test_evaluation.builders import World


def blobs(rng, size=256):
    mask = np.zeros((size, size), dtype=np.uint8)
    for _ in range(5):
        x, y = rng.integers(0, size - 20, 2)
        w, h = rng.integers(3, size // 2, 2)
        mask[y : y + h, x : x + w] = 1
    return mask


# 12, 14, 23, 27, 32, 45 are sizes whose last line falls beyond the grid by rounding
@pytest.mark.parametrize("hw", [(12, 14), (23, 27), (32, 45), (1, 1), (2, 1), (97, 53), (300, 181)])
def test_resize_equals_scipy_zoom(hw):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        mask = blobs(rng) if seed % 2 else (rng.random((256, 256)) > 0.5).astype(np.uint8)
        scale = (hw[0] / 256, hw[1] / 256)
        expected = zoom(mask.astype(float), scale, order=1, prefilter=False) > 0.5
        assert np.array_equal(resize_part_mask(mask, *hw), expected)


def test_the_dropped_last_line_can_be_kept():
    full = np.ones((256, 256), dtype=np.uint8)
    assert not resize_part_mask(full, 12, 20)[-1].any()
    assert resize_part_mask(full, 12, 20, drops_last_line=False).all()


def test_pasting_truncates_the_corner_and_clips_at_the_image():
    image = ImageInfo(10, 12)
    mask = np.ones((4, 5), dtype=bool)
    inside = paste_mask(mask, np.array([2.9, 3.9, 5.0, 4.0]), image)
    assert (inside.x, inside.y, inside.area) == (2, 3, 20)
    # int(-1.5 + 5.0) = 3 columns reach into the image
    left = paste_mask(mask, np.array([-1.5, 8.0, 5.0, 4.0]), image)
    assert (left.x, left.y, left.mask.shape) == (0, 8, (2, 3))
    assert paste_mask(mask, np.array([20.0, 0.0, 5.0, 4.0]), image).area == 0


def random_crops(rng, count, height=40, width=50):
    crops = []
    for _ in range(count):
        h, w = rng.integers(1, 30, 2)
        y, x = rng.integers(0, height - h), rng.integers(0, width - w)
        crops.append(CroppedMask.build(rng.random((h, w)) > 0.4, int(x), int(y)))
    return crops


def test_mask_iou_equals_pycocotools():
    rng = np.random.default_rng(0)
    dets, persons = random_crops(rng, 7), random_crops(rng, 5)
    crowd = np.array([False, True, False, True, False])

    def encode(crops):
        return [coco_mask.encode(np.asfortranarray(c.full(40, 50), dtype=np.uint8)) for c in crops]

    expected = coco_mask.iou(encode(dets), encode(persons), crowd.astype(int).tolist())
    np.testing.assert_allclose(mask_iou_matrix(dets, persons, crowd), expected, atol=1e-15)


def test_box_iou_equals_pycocotools_with_zero_sized_boxes():
    rng = np.random.default_rng(1)
    dets, persons = rng.uniform(0, 30, (9, 4)), rng.uniform(0, 30, (6, 4))
    dets[0, 2:], persons[1, 2] = 0, 0
    crowd = rng.random(6) > 0.5
    expected = coco_mask.iou(dets, persons, crowd.astype(int).tolist())
    np.testing.assert_allclose(box_iou_matrix(dets, persons, crowd), expected, atol=1e-15)


def test_segmentation_may_be_polygon_or_either_run_length_form():
    image = ImageInfo(20, 30)
    polygon = [[2.0, 3.0, 12.0, 3.0, 12.0, 9.0, 2.0, 9.0]]
    expected = segmentation_mask(polygon, image, "a")
    rle = coco_mask.encode(np.asfortranarray(expected))
    text = {"size": [20, 30], "counts": rle["counts"].decode()}
    flat = expected.flatten(order="F")
    edges = np.flatnonzero(np.diff(np.r_[0, flat, 0]))
    counts = np.diff(np.r_[0, edges, len(flat)]).tolist()
    numbers = {"size": [20, 30], "counts": counts}
    assert expected.sum() > 40
    for form in (text, numbers):
        assert np.array_equal(segmentation_mask(form, image, "a"), expected)


def test_crop_to_content_keeps_every_pixel():
    mask = blobs(np.random.default_rng(2), 64)
    assert np.array_equal(crop_to_content(mask).full(64, 64), mask.astype(bool))
    assert crop_to_content(np.zeros((5, 5), dtype=np.uint8)).area == 0


def test_one_mask_of_the_body_and_masks_of_512_cells():
    mask = blobs(np.random.default_rng(3), 256)
    code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    for given in (code, [code], [code, *[[]] * 13]):
        assert np.array_equal(merged_part_masks(given, "a"), mask > 0)
    fine = coco_mask.encode(np.asfortranarray(np.kron(mask, np.ones((2, 2))), dtype=np.uint8))
    assert np.array_equal(merged_part_masks([fine], "a"), mask > 0)


def test_masks_that_cannot_be_decoded_name_the_annotation():
    with pytest.raises(ValueError, match="annotation 7, field dp_masks: part 1: not"):
        merged_part_masks([{"size": [256, 256]}], "annotation 7")
    small = coco_mask.encode(np.zeros((4, 4), dtype=np.uint8, order="F"))
    with pytest.raises(ValueError, match="annotation 7, field dp_masks: part 1: size"):
        merged_part_masks([small], "annotation 7")
    with pytest.raises(ValueError, match="annotation 7, field segmentation"):
        segmentation_mask({"size": [4, 4], "counts": "04"}, ImageInfo(5, 5), "annotation 7")


def test_without_any_mask_the_person_is_empty():
    world = World(0, images=1, people=1)
    world.data["annotations"][0]["segmentation"] = []
    assert truth_mask(world.truth().all_persons()[0], ImageInfo(120, 160)).area == 0


def test_true_masks_overlap_by_the_share_inside_the_box():
    person = CroppedMask.build(np.ones((10, 10), dtype=bool), 5, 5)
    boxes = np.array([[5.0, 5.0, 10.0, 10.0], [5.0, 5.0, 5.0, 10.0], [40.0, 5.0, 5.0, 5.0]])
    found = true_mask_iou_matrix([person], boxes, ImageInfo(60, 60))
    assert found[:, 0].tolist() == [1.0, 0.5, 0.0]
