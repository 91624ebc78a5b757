"""Dense label folders: round trip, damage, use by the data set; labels from the synthetic truth."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from mmktn.datasets import DensePoseCocoDataset
from mmktn.datasets.dense_truth import labels_of_truth, read_truth
from mmktn.formats.dense_labels import DenseLabelFolder, DenseLabelWriter
from mmktn.synthetic.annotate import DenseTruth
from tests.fake_annotations import fake_coco_file

BOX = (10.0, 20.5, 60.0, 90.0)


def random_map(seed=0):
    rng = np.random.default_rng(seed)
    dense = rng.integers(0, 256, (4, 256, 256)).astype(np.uint8)
    dense[0] %= 25
    return dense * (dense[0] > 0)


def write(folder, ids=(7, 1007), box=BOX):
    writer = DenseLabelWriter(folder, {"checkpoint": "teacher.pth"})
    for number in ids:
        writer.add(number, random_map(number), image_id=3, box_xyxy=box)
    writer.close()
    return folder


def change_index(folder, change):
    path = folder / "index.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_round_trip(tmp_path):
    labels = DenseLabelFolder(write(tmp_path))
    assert len(labels) == 2
    assert 1007 in labels
    assert 8 not in labels
    assert labels.source == {"checkpoint": "teacher.pth"}
    for number in (7, 1007):
        np.testing.assert_array_equal(labels.read(number, BOX), random_map(number))
    record = labels.records[0]
    assert record["bbox"] == [10.0, 20.5, 50.0, 69.5]
    assert record["labelled_cells"] == int((random_map(7)[0] > 0).sum())
    assert (tmp_path / "007" / "7.png").is_file()
    assert (tmp_path / "007" / "1007.png").is_file()


def test_pictures_are_plain_rgba(tmp_path):
    write(tmp_path, ids=(7,))
    pixels = np.asarray(Image.open(tmp_path / "007" / "7.png"))
    np.testing.assert_array_equal(pixels.transpose(2, 0, 1), random_map(7))


def test_unfinished_folders_are_not_read(tmp_path):
    DenseLabelWriter(tmp_path, {}).add(7, random_map(), image_id=3, box_xyxy=BOX)
    with pytest.raises(FileNotFoundError, match="mmktn label"):
        DenseLabelFolder(tmp_path)


def test_folders_are_not_overwritten(tmp_path):
    write(tmp_path)
    with pytest.raises(FileExistsError, match=r"index\.json exists"):
        DenseLabelWriter(tmp_path, {})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c.update(version=2), "field version: 2"),
        (lambda c: c.update(format="other"), "field format: 'other'"),
        (lambda c: c.update(channels=["I"]), "field channels"),
        (lambda c: c.pop("side"), "field side: None"),
        (lambda c: c.update(annotations={}), "field annotations: not a list"),
        (lambda c: c["annotations"][1].pop("file"), r"annotations\[1\]: field file: missing"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2]), r"annotations\[1\]: field bbox"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, 0, 4]), "field bbox"),
        (lambda c: c["annotations"][1].update(file="../7.png"), "no name in this folder"),
        (lambda c: c["annotations"][1].update(file="/7.png"), "no name in this folder"),
        (lambda c: c["annotations"][1].update(id=7), "field id: 7 is no number or occurs twice"),
    ],
)
def test_malformed_index_names_file_and_field(tmp_path, change, text):
    write(tmp_path)
    change_index(tmp_path, change)
    with pytest.raises(ValueError, match=text) as found:
        DenseLabelFolder(tmp_path)
    assert "index.json" in str(found.value)


def test_index_that_is_no_json(tmp_path):
    write(tmp_path)
    (tmp_path / "index.json").write_text('{"format": ')
    with pytest.raises(ValueError, match=r"index\.json: not a complete JSON file"):
        DenseLabelFolder(tmp_path)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:3000]), "truncated or no image"),
        (lambda p: Image.new("RGB", (256, 256)).save(p), "mode RGB, not RGBA"),
        (lambda p: Image.new("RGBA", (128, 256)).save(p), r"\(4, 256, 128\)"),
        (lambda p: Image.new("RGBA", (256, 256), (25, 0, 0, 0)).save(p), "chart 25"),
    ],
)
def test_damaged_pictures_are_named(tmp_path, damage, text):
    labels = DenseLabelFolder(write(tmp_path))
    damage(tmp_path / "007" / "7.png")
    with pytest.raises(ValueError, match=text) as found:
        labels.read(7)
    assert "7.png" in str(found.value)


@pytest.mark.parametrize("length", [0, 7, 20, 40, 3000])
def test_a_cut_picture_is_told_without_addresses_of_objects(tmp_path, length):
    labels = DenseLabelFolder(write(tmp_path))
    path = tmp_path / "007" / "7.png"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"7\.png is (truncated|empty)") as found:
        labels.read(7)
    assert " at 0x" not in str(found.value)


def test_missing_picture_missing_person_other_box(tmp_path):
    labels = DenseLabelFolder(write(tmp_path))
    (tmp_path / "007" / "7.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"7\.png is missing"):
        labels.read(7)
    with pytest.raises(KeyError, match="annotation id 8"):
        labels.read(8)
    with pytest.raises(ValueError, match="field bbox: annotation id 1007 was labelled"):
        labels.read(1007, (10.0, 20.5, 61.0, 90.0))


def test_writer_refuses_what_are_no_dense_labels(tmp_path):
    writer = DenseLabelWriter(tmp_path, {})
    with pytest.raises(ValueError, match=r"annotation 5: float64"):
        writer.add(5, np.zeros((4, 256, 256)), image_id=1, box_xyxy=BOX)


@pytest.fixture
def coco(tmp_path):
    data = fake_coco_file(2, image_hw=(40, 60), seed=0)
    for image in data["images"]:
        cv2.imwrite(str(tmp_path / image["file_name"]), np.zeros((40, 60, 3), np.uint8))
    (tmp_path / "ann.json").write_text(json.dumps(data))
    return tmp_path, data


def dataset(root, labels):
    return DensePoseCocoDataset(
        ann_file=str(root / "ann.json"),
        data_prefix={"img": str(root)},
        dense_labels=str(labels),
        pipeline=[
            {"type": "mmktn.LoadImageFromFile"},
            {"type": "mmdet.LoadAnnotations", "with_bbox": True},
            {"type": "mmktn.LoadDensePoseAnnotations"},
            {"type": "mmktn.PackDensePoseInputs"},
        ],
    )


def test_data_set_hands_labels_to_their_persons(coco):
    root, data = coco
    writer = DenseLabelWriter(root / "labels", {})
    people = [a for a in data["annotations"] if "dp_I" in a]
    for record in people:
        x, y, w, h = record["bbox"]
        writer.add(
            record["id"], random_map(record["id"]), image_id=record["image_id"],
            box_xyxy=(x, y, x + w, y + h),
        )  # fmt: skip
    writer.close()
    built = dataset(root, root / "labels")
    expected = {record["id"] for record in people}
    found = set()
    for index in range(len(built)):
        sample = built[index]["data_samples"]
        info = built.get_data_info(index)
        assert sample.gt_instances.densepose.valid.any()
        for item, instance in zip(sample.gt_instances.densepose, info["instances"], strict=True):
            assert (item.dense_labels is not None) == (instance["ann_id"] in expected)
            if item.dense_labels is not None:
                found.add(instance["ann_id"])
                np.testing.assert_array_equal(item.dense_labels, random_map(instance["ann_id"]))
    assert found == expected


def test_annotated_persons_without_labels_are_an_error(coco):
    root, _ = coco
    write(root / "labels", ids=(999,))
    with pytest.raises(ValueError, match=r"persons of .*ann\.json have no dense labels"):
        dataset(root, root / "labels")


def test_truth_on_the_box_grid_by_hand():
    instance = np.zeros((40, 60), np.uint8)
    instance[10:20, 8:24] = 2
    instance[10:20, 22:24] = 1
    chart = np.where(instance > 0, 5, 0).astype(np.uint8)
    chart[15:, 8:24] = 9
    u = np.full((40, 60), 65535 // 2, np.uint16)
    v = np.tile(np.arange(60, dtype=np.uint16) * 1000, (40, 1))
    labels = labels_of_truth(DenseTruth(instance, chart, u, v), 2, [8.0, 10.0, 16.0, 10.0])
    # 16 cells a column, 25.6 cells a row.
    assert labels[:, 0, 0].tolist() == [5, 127, int(8000 / 65535 * 255), 255]
    assert labels[0, 127, 100] == 5
    assert labels[0, 128, 100] == 9
    assert not labels[:, :, 224:].any()  # the other person
    assert labels[2, 50, 31] == int(9000 / 65535 * 255)


def test_truth_files_are_read_with_their_annotations(tmp_path):
    common = {"image_id": 1, "category_id": 1, "area": 16.0, "iscrowd": 0}
    point = {name: [0.5] for name in ("dp_x", "dp_y", "dp_U", "dp_V")}
    masks = {"dp_I": [1.0], "dp_masks": [[]] * 14}
    record = {"id": 11, "bbox": [8.0, 10.0, 16.0, 10.0], **point, **masks, **common}
    plain = {"id": 12, "bbox": [0.0, 0.0, 4.0, 4.0], **common}
    image = {"id": 1, "file_name": "0001.jpg", "height": 40, "width": 60}
    ann = tmp_path / "ann.json"
    ann.write_text(
        json.dumps(
            {
                "images": [image],
                "annotations": [plain, record],
                "categories": [{"id": 1, "name": "person"}],
            }
        )
    )
    with pytest.raises(FileNotFoundError, match=r"dense truth of image \d+: no file"):
        list(read_truth(ann, tmp_path))
    instance = np.zeros((40, 60), np.uint8)
    instance[10:20, 8:24] = 2
    arrays = {"instance": instance, "chart": instance, "u": instance, "v": instance}
    np.savez(tmp_path / "0001.npz", **arrays)
    ((found, labels),) = read_truth(ann, tmp_path)
    assert found["id"] == 11
    assert (labels[0] == 2).all()  # the second person of the image
    np.savez(tmp_path / "0001.npz", **{k: a[:, :30] for k, a in arrays.items()})
    with pytest.raises(ValueError, match=r"field instance: uint8 \(40, 30\)"):
        list(read_truth(ann, tmp_path))
    np.savez(tmp_path / "0001.npz", instance=instance)
    with pytest.raises(ValueError, match="no field 'chart'"):
        list(read_truth(ann, tmp_path))
