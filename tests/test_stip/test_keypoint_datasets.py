import json
from pathlib import Path

import pytest

from mmktn.stip.keypoint_datasets import (
    CheckedCocoDataset,
    CheckedCrowdPoseDataset,
    CheckedOCHumanDataset,
    outside_image,
)
from tests.test_stip.tiny_crowd import write_crowd


@pytest.fixture
def crowd(tmp_path):
    """Folder and content of a crowd set that a test may spoil."""
    return tmp_path, write_crowd(tmp_path, images=3)


def load(folder, content=None, dataset=CheckedCrowdPoseDataset, **options):
    if content is not None:
        (folder / "crowd.json").write_text(json.dumps(content))
    return dataset(ann_file=str(folder / "crowd.json"), **options)


def detections(folder, **changes):
    entry = {"image_id": 1, "category_id": 1, "bbox": [5, 5, 50, 80], "score": 0.9, **changes}
    path = folder / "detections.json"
    path.write_text(json.dumps([entry]))
    return str(path)


def test_sound_files_load_as_in_mmpose(crowd):
    folder, content = crowd
    found = load(folder)
    assert len(found) == len(content["annotations"])
    assert found.get_data_info(0)["crowd_index"] == 0.05
    tested = load(folder, bbox_file=detections(folder), test_mode=True)
    assert len(tested) == 1


@pytest.mark.parametrize("test_mode", [False, True])
@pytest.mark.parametrize(
    "dataset", [CheckedCrowdPoseDataset, CheckedCocoDataset, CheckedOCHumanDataset]
)
def test_missing_files_point_to_the_page(crowd, dataset, test_mode):
    folder, _ = crowd
    with pytest.raises(
        FileNotFoundError, match=r"annotation file not found: .*none\.json; .*docs/stip\.md#data"
    ):
        dataset(ann_file=str(folder / "none.json"), test_mode=test_mode)


def test_missing_detections_are_named(crowd):
    folder, _ = crowd
    with pytest.raises(FileNotFoundError, match=r"detection file not found: .*none\.json"):
        load(folder, bbox_file=str(folder / "none.json"), test_mode=True)


def test_wrong_number_of_keypoints_names_annotation_and_both_numbers(crowd):
    folder, _ = crowd
    with pytest.raises(ValueError, match=r"annotation 1 of .*crowd\.json has 14 keypoints, coco d"):
        load(folder, dataset=CheckedCocoDataset)


def test_box_outside_the_image_is_named(crowd):
    folder, content = crowd
    content["annotations"][2]["bbox"] = [200, 10, 30, 40]
    with pytest.raises(ValueError, match=r"annotation 3.*\[200, 10, 30, 40\].*160 x 120"):
        load(folder, content)


def test_box_that_reaches_over_the_border_is_fine(crowd):
    folder, content = crowd
    content["annotations"][2]["bbox"] = [-20, -5, 300, 300]
    box = load(folder, content).get_data_info(2)["bbox"]
    assert box.tolist() == [[0, 0, 159, 119]]


def load_with_log(folder, content, **options):
    """The dataset and what it logged."""
    messages = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "mmktn.stip.keypoint_datasets.print_log", lambda text, **_: messages.append(text)
        )
        found = load(folder, content, **options)
        len(found)
    return found, messages


def ids_of(found):
    return [found.get_data_info(k)["id"] for k in range(len(found))]


@pytest.mark.parametrize("coordinates", ["zero", "kept"])
@pytest.mark.parametrize("count", [0, 5, None], ids=["true", "stale", "absent"])
def test_person_without_visible_keypoint_is_left_out_and_counted(crowd, coordinates, count):
    folder, content = crowd
    person = content["annotations"][1]
    if coordinates == "zero":
        person["keypoints"] = [0] * 42
    else:
        person["keypoints"] = [number for k in range(14) for number in (60 + k, 20 + k, 0)]
    person["num_keypoints"] = count
    if count is None:
        del person["num_keypoints"]
    found, messages = load_with_log(folder, content)
    assert ids_of(found) == [1, 3, 4, 5, 6]
    assert "1 of 6 persons are left out (1 without a visible keypoint" in messages[0]


def test_only_training_looks_at_visibility(crowd):
    """At test mmpose's rule holds: a person with coordinates and a count is predicted."""
    folder, content = crowd
    for k in range(14):
        content["annotations"][1]["keypoints"][3 * k : 3 * k + 3] = [60 + k, 20 + k, 0]
    content["annotations"][1]["num_keypoints"] = 5
    found, messages = load_with_log(folder, content, test_mode=True)
    assert ids_of(found) == [1, 2, 3, 4, 5, 6]
    assert messages == []


def test_persons_left_out_for_other_reasons_are_not_called_unlabelled(crowd):
    folder, content = crowd
    content["annotations"][0]["iscrowd"] = 1
    content["annotations"][4]["keypoints"] = [0] * 42
    found, messages = load_with_log(folder, content)
    assert ids_of(found) == [2, 3, 4, 6]
    assert "2 of 6 persons are left out (1 without a visible keypoint, the rest" in messages[0]


def test_set_without_anybody_is_named(crowd):
    folder, content = crowd
    content["annotations"] = []
    with pytest.raises(ValueError, match=r"there are no usable persons in .*crowd\.json; is it"):
        load(folder, content)


def test_test_set_without_crowd_index_is_refused_but_trains(crowd):
    folder, content = crowd
    del content["images"][1]["crowdIndex"]
    assert len(load(folder, content)) == 6
    with pytest.raises(ValueError, match=r"image 2 of .*has no crowdIndex \(1 such images\)"):
        load(folder, content, test_mode=True)


def test_null_crowd_index_is_a_missing_one(crowd):
    folder, content = crowd
    content["images"][1]["crowdIndex"] = None
    found = load(folder, content)
    persons = [found.get_data_info(k) for k in range(6)]
    assert ["crowd_index" in person for person in persons] == [True, True, False, False, True, True]
    with pytest.raises(ValueError, match=r"image 2 of .*has no crowdIndex \(1 such images\)"):
        load(folder, content, test_mode=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_id": 77}, r"detection 0 of .*is for image 77, which .*crowd\.json lacks"),
        (
            {"bbox": [500, 5, 9, 9]},
            r"detection 0 .*bbox \[500\.0, 5\.0, 9\.0, 9\.0\].*outside its image of 160",
        ),
        ({"image_id": "1"}, r"detection 0 .*for image '1', which .* lacks; there ids are numbers"),
        ({"image_id": [1]}, r"detection 0 .*for image \[1\], which .*crowd\.json lacks"),
        ({"bbox": None}, r"detection 0 of .*: bbox None is not x, y, width, height: write four"),
        ({"bbox": [1, 2, 3]}, r"detection 0 of .*: bbox \[1, 2, 3\] is not x, y, width, height"),
        ({"bbox": [1, 2, 3, "w"]}, r"detection 0 of .*: bbox \[1, 2, 3, 'w'\] is not x, y, width"),
        ({"score": None}, r"detection 0 of .*: score None is not a number"),
    ],
    ids=["unknown image", "outside", "text id", "list id", "no box", "short", "text", "no score"],
)
def test_detections_that_do_not_belong_to_the_split_are_named(crowd, changes, message):
    folder, _ = crowd
    with pytest.raises(ValueError, match=message):
        load(folder, bbox_file=detections(folder, **changes), test_mode=True)


@pytest.mark.parametrize("field", ["image_id", "category_id", "bbox", "score"])
def test_detection_without_a_field_is_named(crowd, field):
    folder, _ = crowd
    path = detections(folder)
    entries = json.loads(Path(path).read_text()) * 2
    entries[1] = {key: value for key, value in entries[0].items() if key != field}
    Path(path).write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=rf"detection 1 of .*s\.json has no '{field}'; add it"):
        load(folder, bbox_file=path, test_mode=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", r"detection file .*d\.json holds no detection"),
        ('{"annotations": []}', r"detection file .*d\.json holds a dict: a list of {image_id"),
        ("[3]", r"detection 0 of .*d\.json is a int, not a dict with image_id, category_id"),
        ("[{", r"bbox_file: .*d\.json: not a complete JSON file"),
        (
            '[{"image_id": 1, "category_id": 2, "bbox": [5, 5, 50, 80], "score": 0.9}]',
            r"there are no detections in .*d\.json of what .*crowd\.json calls person; is it the",
        ),
    ],
    ids=["empty", "dict", "numbers", "cut off", "nobody"],
)
def test_detection_file_of_another_kind_is_named(crowd, text, message):
    folder, _ = crowd
    (folder / "d.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        load(folder, bbox_file=str(folder / "d.json"), test_mode=True)


@pytest.mark.parametrize("person", [2, 9, 0])
def test_the_person_is_what_the_file_calls_so(crowd, person):
    folder, content = crowd
    content["categories"][0]["id"] = person
    content["categories"].append({"id": 1, "name": "dog"})
    for annotation in content["annotations"]:
        annotation["category_id"] = person
    found = detections(folder, category_id=person)
    info = load(folder, content, bbox_file=found, test_mode=True).get_data_info(0)
    assert info["bbox"].tolist() == [[5, 5, 55, 85]]
    with pytest.raises(ValueError, match=r"of what .* calls person"):
        load(folder, content, bbox_file=detections(folder), test_mode=True)
    content["categories"].pop(0)
    with pytest.raises(ValueError, match="none has the name 'person'"):
        load(folder, content, bbox_file=found, test_mode=True)


def test_threshold_that_leaves_nobody_is_named(crowd):
    folder, _ = crowd
    with pytest.raises(ValueError, match=r"there are no .* with filter_cfg={'bbox_score_thr': 2}"):
        load(
            folder,
            bbox_file=detections(folder),
            test_mode=True,
            filter_cfg={"bbox_score_thr": 2},
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["annotations"][2].update(bbox=None),
            r"annotation 3 of .*bbox None is not x, y, width, height",
        ),
        (
            lambda c: c["annotations"][2].update(keypoints=None),
            r"annotation 3 of .*: keypoints None is no list",
        ),
        (lambda c: c["images"][1].pop("width"), r"image 2 of .*crowd\.json has no 'width'"),
    ],
)
def test_unusable_annotation_is_named(crowd, change, message):
    folder, content = crowd
    change(content)
    with pytest.raises(ValueError, match=message):
        load(folder, content)


def test_annotation_file_of_another_kind_is_named(crowd):
    folder, _ = crowd
    with pytest.raises(ValueError, match=r"crowd\.json: no list 'images'; .*, not a list"):
        load(folder, [], test_mode=True)
    with pytest.raises(ValueError, match=r"no list 'images'; .*, not \['annotations'\]"):
        load(folder, {"annotations": []}, test_mode=True)


def test_convention_touching_the_border_from_outside_shares_no_area():
    image = {"width": 10, "height": 8}
    assert outside_image([10, 0, 5, 5], image)
    assert outside_image([-5, 0, 5, 5], image)
    assert not outside_image([9.5, 7.5, 5, 5], image)
