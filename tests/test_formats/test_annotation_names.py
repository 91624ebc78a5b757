"""One annotation file under its several names."""

import pytest

from mmktn.formats.annotation_names import local_annotation_file, names_in_circulation

PAIRS = [
    ("densepose_coco_2014_minival.json", "densepose_minival2014.json"),
    ("densepose_only_posetrack_val2017.json", "densepose_posetrack_val2017.json"),
    ("densepose_chimps_full_v2.json", "densepose_chimps_densepose.json"),
]


@pytest.mark.parametrize("pair", PAIRS)
def test_given_name_comes_first_and_the_other_follows_in_the_same_place(pair):
    for asked, other in (pair, pair[::-1]):
        assert names_in_circulation(f"s3://bucket/a/{asked}") == [
            f"s3://bucket/a/{asked}",
            f"s3://bucket/a/{other}",
        ]
        assert names_in_circulation(asked) == [asked, other]


def test_other_names_stay_alone():
    assert names_in_circulation("a/mine.json") == ["a/mine.json"]
    assert names_in_circulation("densepose_coco_2014_mine.json") == [
        "densepose_coco_2014_mine.json"
    ]


def test_local_file_is_found_under_the_other_name_and_the_asked_one_is_preferred(tmp_path):
    asked, other = (tmp_path / name for name in PAIRS[0])
    assert local_annotation_file(asked) is None
    other.touch()
    assert local_annotation_file(asked) == other
    asked.touch()
    assert local_annotation_file(str(asked)) == asked
    assert local_annotation_file("") is None
