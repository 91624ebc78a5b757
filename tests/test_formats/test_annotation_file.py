"""Number lists become arrays while parsing; everything else stays."""

import json

import numpy as np
import pytest

from mmktn.formats.annotation_file import read_annotation_file
from tests.fake_annotations import fake_coco_file


def read(tmp_path, data):
    path = tmp_path / "f.json"
    path.write_text(json.dumps(data))
    return read_annotation_file(str(path))


def test_points_and_keypoints_become_float32(tmp_path):
    data = fake_coco_file(1)
    content = read(tmp_path, data)
    record, original = content["annotations"][0], data["annotations"][0]
    for field in ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V", "keypoints"):
        assert record[field].dtype == np.float32
        np.testing.assert_array_equal(record[field], np.float32(original[field]))
    others = set(original) - {"dp_x", "dp_y", "dp_I", "dp_U", "dp_V", "keypoints"}
    assert {k: record[k] for k in others} == {k: original[k] for k in others}
    assert content["categories"] == data["categories"]  # keypoint names are no numbers
    assert content["images"] == data["images"]


@pytest.mark.parametrize("values", ["text", 5, None, ["a"], [1, "a"], [1, [2]], [None], [True], {}])
def test_other_values_are_left_for_the_checks(tmp_path, values):
    content = read(tmp_path, {"annotations": [{"image_id": 1, "dp_U": values}]})
    assert content["annotations"][0]["dp_U"] == values


def test_empty_lists_are_no_points(tmp_path):
    content = read(tmp_path, {"annotations": [{"image_id": 1, "dp_U": []}]})
    assert content["annotations"][0]["dp_U"].shape == (0,)


def test_cut_off_json_is_named(tmp_path):
    path = tmp_path / "cut.json"
    path.write_text('{"images": [')
    with pytest.raises(ValueError, match=r"cut\.json: not a complete JSON file"):
        read_annotation_file(str(path))
