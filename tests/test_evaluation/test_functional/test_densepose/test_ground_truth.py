import copy
import json

import numpy as np
import pytest

from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from tests.test_evaluation.builders import World


def spoil(**changes):
    data = copy.deepcopy(World(0, images=1, people=2).data)
    data["annotations"][1] |= changes
    return data


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dp_U": [0.1]}, "annotation 101: lengths differ: .*'dp_U': 1"),
        ({"dp_x": ["a"] * 20}, "annotation 101: dp_x: not numbers"),
        ({"dp_V": [float("nan")] * 20}, "annotation 101: dp_V: not finite"),
        ({"bbox": [1, 2, 3]}, "annotation 101: bbox must be"),
        ({"bbox": [1, 2, -3, 4]}, "annotation 101: bbox must be"),
        ({"image_id": 77}, "annotation 101: unknown image_id 77"),
        ({"category_id": 5}, "annotation 101: unknown category_id 5"),
        ({"id": 100}, "annotation id 100 occurs twice"),
    ],
)
def test_unusable_annotations_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        DensePoseTruth.from_coco(spoil(**changes), "file.json")


@pytest.mark.parametrize("field", ["bbox", "image_id", "area", "dp_I"])
def test_missing_fields_are_named(field):
    data = spoil()
    del data["annotations"][1][field]
    with pytest.raises(ValueError, match=f"annotation 101: .*no field.*{field}"):
        DensePoseTruth.from_coco(data)


def test_numbers_may_be_written_as_strings():
    data = spoil()
    person = data["annotations"][1]
    expected = DensePoseTruth.from_coco(data).all_persons()[1]
    person |= {"bbox": [str(v) for v in person["bbox"]], "dp_U": [str(v) for v in person["dp_U"]]}
    found = DensePoseTruth.from_coco(data).all_persons()[1]
    assert np.array_equal(found.box_xywh, expected.box_xywh)
    assert np.array_equal(found.uv, expected.uv)


def test_what_the_metrics_ignore_is_noted_with_ids():
    data = spoil(dp_I=[0] + [3] * 19)
    for key in ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V"):
        del data["annotations"][0][key]
    data["annotations"].append(data["annotations"][1] | {"id": 7, "bbox": [1, 1, 0, 5]})
    notes = " | ".join(DensePoseTruth.from_coco(data).notes)
    assert "1 annotations without dense-pose points" in notes
    assert "ids 100" in notes
    assert "2 annotations with points on no chart" in notes
    assert "1 annotations with a box of zero size: ids 7" in notes


def test_charts_that_are_no_whole_numbers_are_no_charts():
    truth = DensePoseTruth.from_coco(spoil(dp_I=[2.5, 3.0] * 10))
    assert set(truth.all_persons()[1].charts.tolist()) == {0, 3}


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*nothing\.json"):
        DensePoseTruth.from_file(tmp_path / "nothing.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(ValueError, match=r"broken\.json: not a complete JSON file"):
        DensePoseTruth.from_file(broken)
    broken.write_text(json.dumps([1, 2]))
    with pytest.raises(ValueError, match="field images: missing, or not a list"):
        DensePoseTruth.from_file(broken)


def test_images_need_a_size_and_sets_need_categories():
    data = spoil()
    del data["images"][0]["width"]
    with pytest.raises(ValueError, match=r"image 10: no field \['width'\]"):
        DensePoseTruth.from_coco(data)
    data = spoil()
    data["categories"] = []
    with pytest.raises(ValueError, match="no 'categories'"):
        DensePoseTruth.from_coco(data)
