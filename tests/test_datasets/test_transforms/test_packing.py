"""Packing: alignment, crowds, clipped and cropped boxes, mmdet's collate and preprocessor."""

import numpy as np
import pytest
import torch
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs, RandomCrop, Resize
from mmdet.models import DetDataPreprocessor
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate

from mmktn.datasets.transforms import (
    DensePoseRandomFlip,
    LoadDensePoseAnnotations,
    PackDensePoseInputs,
)
from mmktn.structures.box_grid import box_relative_to_image
from tests.fake_annotations import fake_coco_record

HW = (80, 120)


def make_results(*boxes, **options):
    rng = np.random.default_rng(4)
    instances = []
    for person, box in enumerate(boxes):
        record = fake_coco_record(rng, annotation_id=person, image_id=1, image_hw=HW, **options)
        record |= {"bbox": box, "bbox_label": 0, "ignore_flag": int(person == 1)}
        instances.append(record)
    results = {
        "img": np.zeros((*HW, 3), dtype=np.uint8),
        "img_shape": HW,
        "ori_shape": HW,
        "img_id": 1,
        "ann_file": "f.json",
        "instances": instances,
    }
    return LoadDensePoseAnnotations().transform(LoadAnnotations().transform(results))


BOXES = ([10.0, 10.0, 60.0, 70.0], [5.0, 5.0, 30.0, 40.0], [50.0, 20.0, 110.0, 75.0])


def test_persons_and_crowds_are_separated_in_order():
    results = make_results(*BOXES)
    packed = PackDensePoseInputs().transform(results)
    sample = packed["data_samples"]
    assert isinstance(sample, DetDataSample)
    assert packed["inputs"].shape == (3, *HW)
    first, crowd, second = results["gt_densepose"]
    assert list(sample.gt_instances.densepose) == [first, second]
    assert list(sample.ignored_instances.densepose) == [crowd]
    assert sample.gt_instances.bboxes.tensor.tolist() == [BOXES[0], BOXES[2]]


def test_meta_keys_are_kept():
    pack = PackDensePoseInputs(meta_keys=("img_id", "img_shape"))
    sample = pack.transform(make_results(*BOXES))["data_samples"]
    assert sample.metainfo == {"img_id": 1, "img_shape": HW}


def test_without_ground_truth_it_is_mmdets_packing():
    packed = PackDensePoseInputs().transform({"img": np.zeros((4, 6, 3), np.uint8), "img_id": 3})
    assert packed["inputs"].shape == (3, 4, 6)
    assert "densepose" not in packed["data_samples"].gt_instances


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_are_packed_as_by_mmdet(mirrored, kind, channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels)).astype(kind)
    results = {"img": np.flip(image, axis=1) if mirrored else image, "img_id": 3}
    expected = PackDetInputs().transform(dict(results))["inputs"]
    packed = PackDensePoseInputs().transform(results)["inputs"]
    assert packed.dtype == expected.dtype
    assert packed.is_contiguous()
    assert torch.equal(packed, expected)
    assert torch.equal(packed, torch.from_numpy(results["img"].copy()).permute(2, 0, 1))


def image_points(densepose, boxes, person):
    return box_relative_to_image(densepose[person].point_xy, boxes[person])


def test_convention_clipped_boxes_move_no_point():
    # Box 0 sticks out to the left and the top, box 1 is a crowd, box 2 sticks out at the bottom.
    results = make_results(
        [-30.0, -10.0, 60.0, 70.0], [5.0, 5.0, 30.0, 40.0], [50.0, 20.0, 110.0, 95.0]
    )
    before = [
        image_points(results["gt_densepose"], results["gt_bboxes"].tensor, person)
        for person in (0, 2)
    ]
    flip = DensePoseRandomFlip(prob=1.0)
    results = flip.transform(Resize(scale=(240, 160)).transform(results))
    clipped = results["gt_bboxes"].tensor[[0, 2]]
    assert clipped.tolist() == [[120.0, 0.0, 240.0, 140.0], [20.0, 40.0, 140.0, 160.0]]
    people = PackDensePoseInputs().transform(results)["data_samples"].gt_instances
    for person in range(2):
        after = image_points(people.densepose, people.bboxes.tensor, person)
        expected = torch.stack((240 - 2 * before[person][:, 0], 2 * before[person][:, 1]), dim=1)
        torch.testing.assert_close(after, expected, atol=2e-4, rtol=0)  # float32 at 240 px
    outside = people.densepose[0].point_xy
    assert bool((outside[:, 0] > 1).any())  # points off the image stay where they are


def test_clipped_boxes_keep_the_coarse_map_on_its_pixels():
    # 128 px wide with 8 outside; the map is a step at its middle column (pixel 56 of the image).
    results = make_results([-8.0, 0.0, 120.0, 80.0])
    person = results["gt_densepose"][0]
    person.coarse_map = (torch.arange(256) >= 128).to(torch.uint8).expand(256, 256).contiguous()
    resized = Resize(scale=(120, 80)).transform(results)
    people = PackDensePoseInputs().transform(resized)["data_samples"].gt_instances
    row = people.densepose[0].coarse_map[0]
    step = int(row.argmax())
    assert step / 256 * 120 == pytest.approx(56, abs=120 / 256)
    assert bool(row[step:].all())


def test_crop_moves_no_point():
    np.random.seed(0)  # noqa: NPY002  (mmdet draws from the global generator)
    results = make_results([30.0, 20.0, 90.0, 60.0])
    before = image_points(results["gt_densepose"], results["gt_bboxes"].tensor, 0)
    crop = RandomCrop((50, 70), allow_negative_crop=True)
    cropped = crop.transform(results)
    shift = torch.tensor(cropped["homography_matrix"][:2, 2])
    people = PackDensePoseInputs().transform(cropped)["data_samples"].gt_instances
    after = image_points(people.densepose, people.bboxes.tensor, 0)
    torch.testing.assert_close(after, before + shift, atol=1e-4, rtol=0)


def test_unclipped_annotations_are_passed_through():
    results = Resize(scale=(240, 160)).transform(make_results(*BOXES))
    people = PackDensePoseInputs().transform(results)["data_samples"].gt_instances
    assert people.densepose[0] is results["gt_densepose"][0]


def test_boxes_removed_behind_our_back_are_an_error():
    results = make_results(*BOXES)
    results["gt_bboxes"] = results["gt_bboxes"][:2]
    results["gt_bboxes_labels"] = results["gt_bboxes_labels"][:2]
    results["gt_ignore_flags"] = results["gt_ignore_flags"][:2]
    with pytest.raises(ValueError, match=r"image id 1 of f\.json: 2 boxes but 3 dense-pose"):
        PackDensePoseInputs().transform(results)


def test_rotation_is_an_error():
    results = make_results(*BOXES)
    results["homography_matrix"] = np.array([[0.9, -0.1, 0], [0.1, 0.9, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match="rotated or sheared"):
        PackDensePoseInputs().transform(results)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def test_collate_and_preprocessor_of_mmdet(device):
    items = [PackDensePoseInputs().transform(make_results(*BOXES)) for _ in range(2)]
    preprocessor = DetDataPreprocessor(
        mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], pad_size_divisor=32
    ).to(device)
    batch = preprocessor(pseudo_collate(items), training=True)
    assert batch["inputs"].shape == (2, 3, 96, 128)
    for sample in batch["data_samples"]:
        people = sample.gt_instances
        assert len(people.densepose) == len(people.bboxes) == 2
        assert people.densepose[1].coarse_map.device.type == device
        chosen = people[torch.tensor([1, 1, 0], device=device)]
        assert chosen.densepose.num_points.tolist() == [15, 15, 15]
