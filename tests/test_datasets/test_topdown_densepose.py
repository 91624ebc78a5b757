"""One item per person: who is an item, where its box comes from, what is refused."""

import json
import shutil

import numpy as np
import pytest

from mmktn.datasets import TopdownDensePoseDataset
from tests.fake_annotations import fake_coco_file, write_fake_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three images of two persons; the second of each has no dense pose, one is a crowd."""
    folder = tmp_path_factory.mktemp("fake")
    data = fake_coco_file(3, persons=2)
    data["annotations"][5]["iscrowd"] = 1
    write_fake_dataset(folder, data)
    return folder


def dataset(folder, **options):
    return TopdownDensePoseDataset(
        ann_file=str(folder / "annotations.json"),
        data_prefix={"img": str(folder / "images")},
        pipeline=[],
        **options,
    )


def written(folder, detections, name="boxes.json"):
    path = folder / name
    path.write_text(json.dumps(detections))
    return str(path)


def detection(image_id=1, score=0.5, bbox=(1, 2, 20, 30), category_id=1):
    return {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": list(bbox),
        "score": score,
        "uv_data": "",
    }


def test_every_person_but_crowds_is_an_item_with_its_box(folder):
    records = json.loads((folder / "annotations.json").read_text())["annotations"]
    found = dataset(folder, test_mode=True)
    assert len(found) == 5
    for index, record in enumerate(records[:5]):
        item = found[index]
        x, y, w, h = record["bbox"]
        np.testing.assert_allclose(item["bbox"], [[x, y, x + w, y + h]], rtol=1e-6)
        assert item["bbox_score"].tolist() == [1.0]
        assert (item["id"], item["img_id"]) == (index, record["image_id"])
        assert [instance["ann_id"] for instance in item["instances"]] == [record["id"]]


def test_training_takes_persons_with_dense_pose_only(folder):
    found = dataset(folder, only_densepose_images=True)
    assert [item["instances"][0]["ann_id"] for item in map(found.get_data_info, range(3))] == [
        100,
        102,
        104,
    ]
    assert len(found) == 3


def test_detections_of_the_files_own_person_are_taken(folder, tmp_path):
    folder = shutil.copytree(folder, tmp_path / "copy")
    data = json.loads((folder / "annotations.json").read_text())
    data["categories"] = [{"id": 1, "name": "dog"}, data["categories"][0] | {"id": 7}]
    for record in data["annotations"]:
        record["category_id"] = 7
    (folder / "annotations.json").write_text(json.dumps(data))
    boxes = [detection(1, 0.9, category_id=1), detection(1, 0.5, category_id=7)]
    found = dataset(folder, bbox_file=written(folder, boxes), test_mode=True)
    assert [float(found[i]["bbox_score"][0]) for i in range(len(found))] == [0.5]


def test_a_detection_has_the_class_of_its_category(folder, tmp_path):
    folder = shutil.copytree(folder, tmp_path / "copy")
    data = json.loads((folder / "annotations.json").read_text())
    data["categories"].append({"id": 7, "name": "cat"})
    (folder / "annotations.json").write_text(json.dumps(data))
    boxes = [detection(1, 0.9), detection(1, 0.5, category_id=7)]
    found = dataset(
        folder,
        bbox_file=written(folder, boxes),
        test_mode=True,
        categories={"person": "person", "cat": "animal"},
    )
    assert [found[i]["instances"][0]["bbox_label"] for i in range(len(found))] == [0, 1]


def test_detections_replace_the_boxes_best_first(folder):
    boxes = [detection(2, 0.3), detection(1, 0.2), detection(1, 0.9), detection(1, 0.5)]
    boxes += [detection(1, 0.99, category_id=3), detection(1, 0.05)]
    found = dataset(
        folder,
        bbox_file=written(folder, boxes),
        bbox_score_thr=0.1,
        max_per_image=2,
        test_mode=True,
    )
    items = [found[i] for i in range(len(found))]
    assert [item["img_id"] for item in items] == [1, 1, 2]
    assert [round(float(item["bbox_score"][0]), 3) for item in items] == [0.9, 0.5, 0.3]
    assert items[0]["bbox"].tolist() == [[1, 2, 21, 32]]
    assert "dp_x" not in items[0]["instances"][0]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}, "detection 0 of .*no 'score'"),
        ([1, 2], "detection 0 of .* is a list, not a dict with image_id"),
        (detection(99), "detection 0 of .* is for image 99, which .* lacks"),
        (detection([1]), r"is for image \[1\]"),
        (detection(score="0.9"), "detection 0 of .*score '0.9' is not a number"),
        (detection(score=float("nan")), "score nan is not a number"),
        (detection(bbox=(0, 0, 0, 5)), "detection 0 of .*bbox"),
        (detection(bbox=(500, 500, 5, 5)), "detection 0 of .*bbox"),
    ],
)
def test_unusable_detections_are_named(folder, entry, message):
    with pytest.raises(ValueError, match=message):
        dataset(folder, bbox_file=written(folder, [entry], "bad.json"), test_mode=True)


def test_detection_file_has_to_be_a_list_that_exists(folder):
    with pytest.raises(FileNotFoundError, match=r"bbox_file not found.*format_only"):
        dataset(folder, bbox_file=str(folder / "none.json"), test_mode=True)
    with pytest.raises(ValueError, match=r"holds a dict: a list of {image_id"):
        dataset(folder, bbox_file=written(folder, {}, "dict.json"), test_mode=True)


def test_detections_cannot_train(folder):
    with pytest.raises(ValueError, match="needs test_mode=True"):
        dataset(folder, bbox_file="boxes.json")
