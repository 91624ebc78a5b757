"""The data set: what an item holds, which images stay, what is raised and when."""

import json
import logging
import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, pseudo_collate
from torch.utils.data import DataLoader

from mmktn.datasets import DensePoseCocoDataset
from mmktn.formats.annotation_checks import AnnotationError
from tests.fake_annotations import fake_coco_file, write_fake_dataset

from .malformed import CHEAP, EXPENSIVE, STRUCTURE

PIPELINE = [
    {"type": "mmktn.LoadImageFromFile"},
    {"type": "mmdet.LoadAnnotations", "with_bbox": True},
    {"type": "mmktn.LoadDensePoseAnnotations"},
    {"type": "mmktn.PackDensePoseInputs"},
]


def build(ann_file, **kwargs):
    return DensePoseCocoDataset(
        ann_file=str(ann_file),
        data_prefix={"img": str(ann_file.parent / "images")},
        pipeline=kwargs.pop("pipeline", PIPELINE),
        **kwargs,
    )


@pytest.fixture
def data():
    return fake_coco_file(3, persons=2)


@pytest.fixture
def written(tmp_path, data):
    return write_fake_dataset(tmp_path, data)


def test_item_holds_all_persons_with_raw_ids(written, data):
    dataset = build(written)
    assert len(dataset) == 3
    info = dataset.get_data_info(1)
    assert (info["img_id"], info["height"], info["width"]) == (2, 48, 64)
    assert info["ann_file"] == str(written)
    record = data["annotations"][2]
    instance = info["instances"][0]
    x, y, w, h = record["bbox"]
    assert instance["bbox"] == [x, y, x + w, y + h]
    assert (instance["ann_id"], instance["bbox_label"], instance["ignore_flag"]) == (102, 0, 0)
    assert instance["mask"] == record["segmentation"]
    np.testing.assert_allclose(instance["dp_U"], record["dp_U"], rtol=1e-6)  # float32
    assert "dp_x" not in info["instances"][1]


def test_packed_item_agrees_with_the_record(written, data):
    sample = build(written)[0]["data_samples"]
    people = sample.gt_instances
    assert people.densepose.valid.tolist() == [True, False]
    first = data["annotations"][0]
    x, y, w, h = first["bbox"]
    torch.testing.assert_close(people.bboxes.tensor[0], torch.tensor([x, y, x + w, y + h]))
    person = people.densepose[0]
    torch.testing.assert_close(person.point_xy[:, 0], torch.tensor(first["dp_x"]) / 256)
    assert person.point_charts.tolist() == [int(i) for i in first["dp_I"]]
    torch.testing.assert_close(person.point_uv[:, 1], torch.tensor(first["dp_V"]))
    keypoints = torch.tensor(first["keypoints"]).view(17, 3)
    torch.testing.assert_close(
        person.keypoint_xy.float() * torch.tensor([w, h]) + torch.tensor([x, y]),
        keypoints[:, :2] + 0.5,  # pixel indices in the file
        atol=1e-4,  # float32 at 64 px, there and back
        rtol=0,
    )
    assert torch.equal(person.keypoint_visible, keypoints[:, 2].long())
    assert sample.img_id == 1


def test_meta_information(written):
    meta = build(written).metainfo
    assert meta["classes"] == ("person",)
    assert meta["chart_names"][4] == "left hand"
    assert meta["chart_flip"][3] == 4
    assert len(meta["keypoint_flip"]) == 17


def test_only_densepose_images(tmp_path, data):
    for record in data["annotations"][2:4]:  # image 2 loses its dense pose
        for field in [field for field in record if field.startswith("dp_")]:
            del record[field]
    data["annotations"][4]["iscrowd"] = 1  # that of image 3 becomes a crowd
    path = write_fake_dataset(tmp_path, data)
    assert len(build(path)) == 3
    only = build(path, only_densepose_images=True)
    assert [only.get_data_info(i)["img_id"] for i in range(len(only))] == [1]
    assert len(only.get_data_info(0)["instances"]) == 2


def test_only_densepose_images_of_a_file_without_any_is_an_error(tmp_path):
    data = fake_coco_file(1, persons=2)
    data["annotations"] = data["annotations"][1:]
    with pytest.raises(ValueError, match=r"annotations\.json: no image has a person"):
        build(write_fake_dataset(tmp_path, data), only_densepose_images=True)


def test_crowds_are_packed_as_ignored(tmp_path, data):
    data["annotations"][0]["iscrowd"] = 1
    sample = build(write_fake_dataset(tmp_path, data))[0]["data_samples"]
    assert len(sample.gt_instances.densepose) == len(sample.gt_instances.bboxes) == 1
    assert sample.ignored_instances.densepose.valid.tolist() == [True]


def test_other_categories_are_left_out(tmp_path, data):
    data["categories"].append({"id": 2, "name": "dog"})
    data["annotations"][1]["category_id"] = 2
    data["annotations"][1].pop("keypoints")
    path = write_fake_dataset(tmp_path, data)
    assert len(build(path).get_data_info(0)["instances"]) == 1


def test_filter_cfg(tmp_path, data):
    data["annotations"] = data["annotations"][:4]
    data["images"][1].update(height=20, width=20)
    for record in data["annotations"][2:]:
        record.update(bbox=[1, 1, 10, 10], segmentation=[[1, 1, 11, 1, 11, 11, 1, 11]])
    path = write_fake_dataset(tmp_path, data)
    kept = build(path, filter_cfg={"filter_empty_gt": True, "min_size": 32})
    assert [kept.get_data_info(i)["img_id"] for i in range(len(kept))] == [1]
    assert len(build(path, filter_cfg={"min_size": 32}, test_mode=True)) == 3


def test_images_without_labelled_keypoints_can_be_dropped(tmp_path, data):
    labelled = [record["image_id"] for record in data["annotations"]]
    for record in data["annotations"]:
        if record["image_id"] == labelled[0]:
            record["keypoints"] = [0.0] * 51
    path = write_fake_dataset(tmp_path, data)
    kept = build(path, filter_cfg={"min_keypoints": 1})
    assert [kept.get_data_info(i)["img_id"] for i in range(len(kept))] == sorted(
        set(labelled) - {labelled[0]}
    )
    assert len(build(path, filter_cfg={"min_keypoints": 1}, test_mode=True)) == 3


def test_image_without_persons(tmp_path, data):
    data["annotations"] = data["annotations"][2:]
    sample = build(write_fake_dataset(tmp_path, data))[0]["data_samples"]
    assert len(sample.gt_instances.densepose) == 0
    assert sample.gt_instances.bboxes.tensor.shape == (0, 4)


ALL_AT_LOAD = CHEAP | STRUCTURE


@pytest.mark.parametrize(
    ("change", "annotation_id", "field"), ALL_AT_LOAD.values(), ids=ALL_AT_LOAD.keys()
)
def test_bad_records_raise_at_load(tmp_path, change, annotation_id, field):
    data = fake_coco_file(2, persons=2)
    change(data)
    path = write_fake_dataset(tmp_path, fake_coco_file(2, persons=2))
    path.write_text(json.dumps(data))
    with pytest.raises(AnnotationError) as error:
        build(path)
    assert str(path) in str(error.value)
    assert f"field {field}: " in str(error.value)
    if annotation_id is not None:
        assert f"annotation id {annotation_id}," in str(error.value)


ON_ACCESS = {
    **EXPENSIVE,
    **{
        name: case
        for name, case in CHEAP.items()
        if "box" not in name and "keypoints no" not in name
    },
}


@pytest.mark.parametrize(
    ("change", "annotation_id", "field"), ON_ACCESS.values(), ids=ON_ACCESS.keys()
)
def test_bad_numbers_raise_on_access_with_structure_validation(
    tmp_path, change, annotation_id, field
):
    data = fake_coco_file(2, persons=2)
    change(data)
    dataset = build(write_fake_dataset(tmp_path, data), validation="structure")
    index = (annotation_id - 100) // 2
    with pytest.raises(AnnotationError, match=f"annotation id {annotation_id}.*field {field}: "):
        dataset[index]
    assert dataset[1 - index]["data_samples"].gt_instances.densepose.valid[0]


def test_bad_masks_raise_on_access_with_full_validation(tmp_path, data):
    EXPENSIVE["mask cut off"][0](data)
    dataset = build(write_fake_dataset(tmp_path, data))
    assert dataset[0]["data_samples"].img_id == 1
    with pytest.raises(AnnotationError, match=r"annotations\.json, annotation id 102.*part 1: "):
        dataset[1]


def test_boxes_that_structure_validation_drops_are_logged(tmp_path, data, caplog):
    data["annotations"][1]["bbox"] = [5, 5, 0, 10]
    path = write_fake_dataset(tmp_path, data)
    with caplog.at_level(logging.INFO, logger="mmengine"):
        dataset = build(path, validation="structure")
    assert [len(dataset.get_data_info(i)["instances"]) for i in range(3)] == [1, 2, 2]


def test_unknown_validation_level(written):
    with pytest.raises(ValueError, match="'full' or 'structure', got 'none'"):
        build(written, validation="none")


def test_no_person_category(tmp_path, data):
    data["categories"][0]["name"] = "human"
    with pytest.raises(ValueError, match="field categories"):
        build(write_fake_dataset(tmp_path, data))


def test_missing_image_names_file_and_image(written):
    (written.parent / "images" / "000000000002.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"000000000002\.png \(image id 2 of .*annotations"):
        build(written)[1]


def test_truncated_image_names_file_image_and_field(written):
    image = written.parent / "images" / "000000000002.png"
    image.write_bytes(image.read_bytes()[:200])
    with pytest.raises(
        AnnotationError, match=r"image id 2, field file_name: .*000000000002\.png is truncated"
    ):
        build(written)[1]


def test_image_of_other_size(tmp_path, data, written):
    data["images"][1].update(height=64, width=48)
    for record in data["annotations"][2:4]:
        record["bbox"] = [1, 1, 10, 10]
    written.write_text(json.dumps(data))
    with pytest.raises(AnnotationError, match=r"is 64 x 48.*annotations say 48 x 64"):
        build(written)[1]


def test_many_workers_hand_over_annotations_without_file_descriptors(written):
    dataset = build(written)
    loader = DataLoader(
        dataset,
        batch_size=2,
        num_workers=1,
        sampler=DefaultSampler(dataset, shuffle=False),
        collate_fn=pseudo_collate,
        multiprocessing_context="fork",
    )
    ids = [sample.img_id for batch in loader for sample in batch["data_samples"]]
    assert ids == [1, 2, 3]
    text = pickle.dumps(dataset[0]["data_samples"].gt_instances.densepose)
    assert b"torch._utils" not in text


def test_real_sample(real_data):
    dataset = DensePoseCocoDataset(
        ann_file=str(real_data / "densepose_real.json"),
        data_prefix={"img": str(real_data)},
        only_densepose_images=True,
        pipeline=PIPELINE,
    )
    points = [item["data_samples"].gt_instances.densepose.num_points.tolist() for item in dataset]
    assert points == [[211], [237, 145]]
