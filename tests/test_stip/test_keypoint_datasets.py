import json

import pytest

from mmktn.datasets.keypoint_datasets import (
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
    with pytest.raises(
        ValueError, match=r"annotation 1 of .*crowd\.json has 14 key-points, coco d"
    ):
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


def test_person_without_visible_keypoint_is_left_out_and_counted(crowd):
    folder, content = crowd
    person = content["annotations"][1]
    person["keypoints"], person["num_keypoints"] = [0] * 42, 0
    messages = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "mmktn.datasets.keypoint_datasets.print_log", lambda text, **_: messages.append(text)
        )
        found = load(folder, content)
    assert len(found) == len(content["annotations"]) - 1
    assert "1 of 6 persons are left out (1 without a visible key-point" in messages[0]


def test_test_set_without_crowd_index_is_refused_but_trains(crowd):
    folder, content = crowd
    del content["images"][1]["crowdIndex"]
    assert len(load(folder, content)) == 6
    with pytest.raises(ValueError, match=r"image 2 of .*has no crowdIndex \(1 such images\)"):
        load(folder, content, test_mode=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_id": 77}, r"detection 0 of .*is for image 77, which .*crowd\.json lacks"),
        (
            {"bbox": [500, 5, 9, 9]},
            r"detection 0 .*bbox \[500, 5, 9, 9\].*outside its image of 160",
        ),
    ],
    ids=["unknown image", "outside"],
)
def test_detections_that_do_not_belong_to_the_split_are_named(crowd, changes, message):
    folder, _ = crowd
    with pytest.raises(ValueError, match=message):
        load(folder, bbox_file=detections(folder, **changes), test_mode=True)


def test_convention_touching_the_border_from_outside_shares_no_area():
    image = {"width": 10, "height": 8}
    assert outside_image([10, 0, 5, 5], image)
    assert outside_image([-5, 0, 5, 5], image)
    assert not outside_image([9.5, 7.5, 5, 5], image)
