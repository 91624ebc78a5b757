"""Every kind of malformed record is reported once, with file, annotation id and field."""

import pytest

from mmktn.formats.annotation_checks import (
    AnnotationError,
    Problem,
    box_problems,
    file_problems,
    mask_problems,
)
from tests.fake_annotations import fake_coco_file

from .malformed import CHEAP, EXPENSIVE, STRUCTURE


@pytest.fixture
def data():
    return fake_coco_file(2, persons=2)


def test_a_valid_file_has_no_problems(data):
    assert list(file_problems(data, "f.json")) == []
    assert [p for a in data["annotations"] for p in mask_problems(a)] == []


@pytest.mark.parametrize(("change", "annotation_id", "field"), CHEAP.values(), ids=CHEAP.keys())
def test_bad_numbers_are_found(data, change, annotation_id, field):
    change(data)
    (problem,) = file_problems(data, "f.json")
    assert (problem.annotation_id, problem.field) == (annotation_id, field)
    text = str(problem)
    for part in ("f.json", f"annotation id {annotation_id}", f"field {field}: "):
        assert part in text
    assert list(file_problems(data, "f.json", values=False)) == []


@pytest.mark.parametrize(
    ("change", "annotation_id", "field"), STRUCTURE.values(), ids=STRUCTURE.keys()
)
def test_bad_structure_is_found_at_both_levels(data, change, annotation_id, field):
    change(data)
    for values in (True, False):
        found = list(file_problems(data, "f.json", values=values))
        assert (annotation_id, field) in [(p.annotation_id, p.field) for p in found]
        assert {p.file for p in found} == {"f.json"}


@pytest.mark.parametrize(
    ("change", "annotation_id", "field"), EXPENSIVE.values(), ids=EXPENSIVE.keys()
)
def test_bad_masks_are_found_by_decoding(data, change, annotation_id, field):
    change(data)
    found = [(a["id"], *finding) for a in data["annotations"] for finding in mask_problems(a)]
    assert [entry[:2] for entry in found] == [(annotation_id, field)]


@pytest.mark.parametrize("data", [[], {}, {"images": 3, "annotations": [], "categories": []}, None])
def test_files_of_another_kind(data):
    fields = [problem.field for problem in file_problems(data, "f.json")]
    assert "images" in fields


def test_message_shows_value_and_place(data):
    data["annotations"][0]["dp_I"][4] = 25
    (problem,) = file_problems(data, "f.json")
    assert str(problem) == (
        "f.json, annotation id 100, image id 1, field dp_I: outside 1..24 at point 4: 25"
    )


def test_lengths_name_the_field_that_differs(data):
    data["annotations"][0]["dp_V"].append(0.5)
    (problem,) = file_problems(data, "f.json")
    assert (problem.field, problem.message) == ("dp_V", "16 values, other dp_ fields have 15")


def test_boxes_may_stick_out_by_a_rounding(data):
    assert not list(box_problems([-0.5, 0, 64.9, 48], (48, 64)))
    assert list(box_problems([-1.5, 0, 60, 48], (48, 64)))


def test_all_problems_of_a_file_are_listed(data):
    for change, *_ in (CHEAP["chart 25"], CHEAP["U above 1"], STRUCTURE["image of no height"]):
        change(data)
    assert len(list(file_problems(data, "f.json"))) == 3


def test_error_tells_the_first_problem_and_counts_the_others():
    problems = [Problem("f.json", 1, 2, "dp_U", "bad"), Problem("f.json", 3, 2, "dp_V", "bad")]
    assert str(AnnotationError(problems[:1])) == (
        "f.json, annotation id 1, image id 2, field dp_U: bad"
    )
    assert "1 more problem" in str(AnnotationError(problems))
    assert AnnotationError(problems).problems == problems
    assert isinstance(AnnotationError(problems), ValueError)
