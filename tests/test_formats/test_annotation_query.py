"""Expressions that choose annotations: what they say, and that nothing is run."""

import pytest

from mmktn.formats.annotation_query import MAX_LENGTH, Query, chosen, shown_fields
from mmktn.utils.user_error import UserError

ENTRY = {
    "id": 7, "bbox": [1, 2, 30, 40], "area": 500.5, "iscrowd": 0, "dp_x": [1, 2, 3],
    "dp_I": [1, 1, 4], "ref_model": "cat_5001", "segmentation": [],
}  # fmt: skip
IMAGE, CATEGORY = {"width": 640, "file_name": "a.jpg"}, {"name": "cat"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("id == 7", True),
        ("iscrowd == 1", False),
        ("100 < area <= 500.5 and not iscrowd", True),
        ("width * height > 1000 or id == 0", True),
        ("num_points >= 3 and num_charts == 2", True),
        ("has_densepose and not has_vertices and not has_segmentation", True),
        ("category.name in ['cat', 'dog'] and image.width / 2 == 320", True),
        ("ref_model == 'cat_5001'", True),
        ("'cat' in ref_model", True),
        ("'jpg' not in image.file_name", False),
        ("-id < -6", True),
        ("score > 0.5", False),  # no such field
        ("not (score > 0.5)", True),
        ("area > 'large'", False),
        ("area / 0 > 1", False),
        ("id % 2 == 1", True),
    ],
)
def test_expressions_choose(text, expected):
    assert Query(text).matches(ENTRY, IMAGE, CATEGORY) is expected


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "id.__class__",
        "image.__class__.__mro__",
        "(lambda: 1)()",
        "[i for i in (1, 2)]",
        "id if area else 0",
        "f'{id}'",
        "2 ** 99",
        "~id == 1",
        "id is 7",
        "segmentation[0] == 1",
        "id := 3",
        "b'x' == 1",
        "{1: 2}",
    ],
)
def test_nothing_but_comparisons_is_read(text):
    with pytest.raises(UserError):
        Query(text)


@pytest.mark.parametrize("text", ["id ==", "not " * 100 + "id", "a" * (MAX_LENGTH + 1)])
def test_unreadable_expressions_are_one_line(text):
    with pytest.raises(UserError) as caught:
        Query(text)
    assert "\n" not in str(caught.value)


def test_text_times_a_number_fills_no_memory():
    assert Query("'a' * 999999999 == id").matches(ENTRY) is False


def test_a_file_is_searched_with_images_and_categories():
    data = {
        "images": [{"id": 1, "width": 640}, {"id": 2, "width": 10}],
        "categories": [{"id": 3, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3},
            {"id": 2, "image_id": 2, "category_id": 3},
            {"id": 3, "image_id": 9, "category_id": 3},
        ],
    }
    found = [entry["id"] for entry, _, _ in chosen(data, Query("image.width > 100"))]
    assert found == [1]
    assert len(list(chosen(data, Query("category.name == 'cat'")))) == 3


def test_fields_are_shown_short():
    found = shown_fields(ENTRY | {"long": "x" * 100}, ["id", "width", "none", "long"])
    assert (found["id"], found["width"], found["none"]) == ("7", "30", "")
    assert len(found["long"]) == 40


@pytest.mark.parametrize(("part", "field"), [("images", "id"), ("annotations", "image_id")])
def test_an_id_that_is_a_list_is_named(part, field):
    data = {"images": [], "annotations": [], part: [{field: [1]}]}
    with pytest.raises(UserError, match=rf"{part}: {field} \[1\]"):
        list(chosen(data, Query("")))
