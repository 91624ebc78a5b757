"""Person masks, keypoints and dense pose go through resize and flip together."""

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from pycocotools import mask as coco_mask

from mmktn.registry import TRANSFORMS
from mmktn.structures.box_grid import box_relative_to_image
from mmktn.surface import KEYPOINT_FLIP
from tests.fake_annotations import fake_coco_record

HEIGHT, WIDTH = 60, 100


def person(form: str) -> dict:
    """A person whose mask is its left half: box (20, 10) to (60, 50), mask up to x = 40."""
    record = fake_coco_record(
        np.random.default_rng(0), annotation_id=1, image_id=1, image_hw=(HEIGHT, WIDTH)
    )
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8, order="F")
    mask[10:50, 20:40] = 1
    rle = coco_mask.encode(mask)
    polygon = [[20.0, 10.0, 40.0, 10.0, 40.0, 50.0, 20.0, 50.0]]
    keypoints = np.zeros((17, 3))
    keypoints[5] = (25.0, 15.0, 2)  # left shoulder
    return record | {
        "bbox": [20.0, 10.0, 60.0, 50.0],
        "bbox_label": 0,
        "ignore_flag": 0,
        "keypoints": keypoints.ravel().tolist(),
        "mask": {"size": rle["size"], "counts": rle["counts"].decode()}
        if form == "rle"
        else polygon,
    }


def packed(form: str, flip: float):
    steps = [
        {"type": "mmdet.LoadAnnotations", "with_mask": True},
        {"type": "mmktn.LoadDensePoseAnnotations"},
        {"type": "mmdet.Resize", "scale": (2 * WIDTH, 2 * HEIGHT), "keep_ratio": True},
        {"type": "mmktn.DensePoseRandomFlip", "prob": flip},
        {"type": "mmktn.PackDensePoseInputs"},
    ]
    image = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    results = {
        "img": image,
        "img_id": 1,
        "img_path": "",
        "img_shape": image.shape[:2],
        "ori_shape": image.shape[:2],
        "instances": [person(form)],
    }
    return Compose([TRANSFORMS.build(step) for step in steps])(results)["data_samples"]


@pytest.mark.parametrize("form", ["rle", "polygon"])
def test_masks_follow_resize_and_flip(form):
    plain = packed(form, 0.0).gt_instances.masks.to_tensor(torch.bool, "cpu")[0]
    rows, columns = torch.nonzero(plain, as_tuple=True)
    assert (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1) == (40, 80, 20, 100)
    flipped = packed(form, 1.0).gt_instances.masks.to_tensor(torch.bool, "cpu")[0]
    assert torch.equal(flipped, plain.flip(-1))


def test_boxes_masks_and_keypoints_stay_together():
    truth = packed("rle", 1.0).gt_instances
    boxes = truth.bboxes.tensor
    assert boxes.tolist() == [[80.0, 20.0, 160.0, 100.0]]
    people = truth.densepose[0]
    # The left shoulder is now the mirrored person's right one, 50 pixels from the other side.
    right = int(KEYPOINT_FLIP[5])
    assert people.keypoint_visible.nonzero().flatten().tolist() == [right]
    point = box_relative_to_image(people.keypoint_xy, boxes[0])[right].float()
    torch.testing.assert_close(point, torch.tensor([200 - 51.0, 31.0]))  # pixel 25, 15 of the file
    mask = truth.masks.to_tensor(torch.bool, "cpu")[0]
    assert mask[int(point[1]), int(point[0])]
