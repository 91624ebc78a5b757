"""Where persons are: segmentations, part masks, boxes; which lies on top."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmktn.datasets.person_maps import draw_person_map, person_mask
from mmktn.formats.masks import segmentation_mask

HW = (20, 30)


def rle(mask):
    code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(n) for n in code["size"]], "counts": code["counts"].decode()}


def block(y1, y2, x1, x2):
    mask = np.zeros(HW, bool)
    mask[y1:y2, x1:x2] = True
    return mask


def test_run_length_codes_and_polygons():
    mask = np.random.default_rng(0).random(HW) > 0.5
    np.testing.assert_array_equal(segmentation_mask(rle(mask), HW), mask)
    polygon = [[5, 4, 15, 4, 15, 10, 5, 10]]
    np.testing.assert_array_equal(segmentation_mask(polygon, HW), block(4, 10, 5, 15))
    counts = {"size": list(HW), "counts": [40, 7, 553]}
    assert segmentation_mask(counts, HW).sum() == 7
    assert segmentation_mask(counts, HW)[0, 2]  # columns first: run 40 begins column 2


@pytest.mark.parametrize(
    ("segmentation", "text"),
    [
        ([[1, 2, 3, 4]], "polygon 0 has 4 numbers"),
        ([], "neither polygons nor"),
        ({"size": [20, 31], "counts": [620]}, r"the image has \[20, 30\]"),
        ({"size": [20, 30], "counts": [1]}, "runs cover 1 cells"),
    ],
)
def test_bad_segmentations_say_what_is_wrong(segmentation, text):
    with pytest.raises(ValueError, match=text):
        segmentation_mask(segmentation, HW)


def test_part_masks_stand_in_for_a_segmentation():
    grid = np.zeros((256, 256), bool)
    grid[:, :128] = True
    dp_masks = [rle_256(grid)] + [[]] * 13
    region, outline = person_mask({"bbox": [4, 2, 12, 18], "dp_masks": dp_masks}, HW)
    assert outline
    np.testing.assert_array_equal(region, block(2, 18, 4, 8))


def rle_256(mask):
    code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [256, 256], "counts": code["counts"].decode()}


def test_a_box_alone_is_no_outline():
    region, outline = person_mask({"bbox": [4.2, -3.0, 12.5, 5.0]}, HW)
    assert not outline
    np.testing.assert_array_equal(region, block(0, 5, 4, 13))


def test_map_of_an_item():
    own = [{"ann_id": 1, "bbox": [0, 0, 1, 1], "mask": rle(block(0, 10, 0, 10)), "ignore_flag": 0}]
    others = [
        {"ann_id": 2, "bbox": [0, 0, 1, 1], "mask": rle(block(5, 15, 5, 15)), "ignore_flag": 0},
        {"ann_id": 3, "bbox": [0, 0, 1, 1], "mask": rle(block(12, 20, 0, 30)), "ignore_flag": 1},
        {"ann_id": 4, "bbox": [20, 0, 30, 5]},
    ]
    drawn = draw_person_map(own, others, HW)
    assert (drawn[:10, :10] == 1).all()  # the item's own person lies on top
    assert drawn[12, 12] == 2
    assert drawn[16, 12] == 255  # crowd
    assert drawn[2, 25] == 255  # a box without an outline
    assert drawn[7, 20] == 0


def test_bad_fields_name_the_annotation():
    with pytest.raises(
        ValueError, match="annotation id 9, field segmentation: polygon 0 has 2 numbers"
    ):
        draw_person_map([{"ann_id": 9, "bbox": [0, 0, 1, 1], "mask": [[1, 2]]}], [], HW)
    with pytest.raises(ValueError, match="annotation id 9, field dp_masks"):
        draw_person_map([{"ann_id": 9, "bbox": [0, 0, 9, 9], "dp_masks": [[]]}], [], HW)
