"""Boxes from files: the person is the category that the file calls so."""

import json

import numpy as np
import pytest

from mmktn.apis.box_sources import boxes_from_coco
from mmktn.apis.image_inputs import ImageInput
from mmktn.utils.user_error import UserError

DOG_AND_PERSON = [{"id": 1, "name": "dog"}, {"id": 2, "name": "person"}]


def write(folder, categories, entries):
    content = {"images": [{"id": 7, "file_name": "a.jpg"}], "annotations": entries}
    if categories is not None:
        content["categories"] = categories
    (folder / "a.json").write_text(json.dumps(content))
    (folder / "r.json").write_text(json.dumps(entries))
    return folder / "a.json", folder / "r.json"


def boxes(path, images=None):
    source = boxes_from_coco(path, images, 0.3)
    image = ImageInput(source=path.parent / "a.jpg", name="a.jpg")
    return source(image, np.zeros((9, 9, 3), np.uint8))[0].tolist()


@pytest.mark.parametrize("detections", [False, True])
def test_the_person_is_what_the_file_calls_so(detections, tmp_path):
    entries = [
        {"image_id": 7, "category_id": category, "bbox": [category, 0, 1, 1], "score": 0.5}
        for category in (1, 2)
    ] + [{"image_id": 7, "bbox": [5, 0, 1, 1]}]
    annotations, results = write(tmp_path, DOG_AND_PERSON, entries)
    given = (results, annotations) if detections else (annotations,)
    assert boxes(*given) == [[2, 0, 3, 1], [5, 0, 6, 1]]
    write(tmp_path, None, entries)
    assert boxes(*given) == [[1, 0, 2, 1], [5, 0, 6, 1]]
    for categories in ([{"id": 1, "name": "dog"}], 5, [5], [{"name": "person"}]):
        write(tmp_path, categories, entries)
        with pytest.raises(UserError, match=r"a\.json: field categories"):
            boxes(*given)
