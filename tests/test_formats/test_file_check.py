"""The whole-file check and its command."""

import json

import pytest

from mmktn.datasets import DensePoseCocoDataset
from mmktn.formats.annotation_checks import AnnotationError
from mmktn.formats.file_check import check_file
from tests.fake_annotations import fake_coco_file, write_fake_dataset
from tests.test_datasets.malformed import CHEAP, EXPENSIVE, STRUCTURE


@pytest.fixture
def spoilt(tmp_path):
    """Two images; three bad fields, one truncated image, one missing image."""
    data = fake_coco_file(2, persons=2)
    path = write_fake_dataset(tmp_path, data)
    for change, *_ in (
        CHEAP["chart 25"],
        EXPENSIVE["mask cut off"],
        STRUCTURE["no area"],
    ):
        change(data)
    path.write_text(json.dumps(data))
    first, second = sorted((tmp_path / "images").iterdir())
    first.write_bytes(first.read_bytes()[:300])
    second.unlink()
    return path


def found(problems):
    return sorted((str(p.annotation_id), p.image_id, p.field) for p in problems)


def test_file_is_found_under_its_other_name(spoilt):
    other = spoilt.rename(spoilt.with_name("densepose_train2014.json"))
    problems = list(check_file(str(spoilt.with_name("densepose_coco_2014_train.json"))))
    assert problems
    assert {problem.file for problem in problems} == {str(other)}


def test_all_problems_of_a_file_are_listed_at_once(spoilt):
    expected = [
        ("102", 2, "dp_I"),
        ("102", 2, "dp_masks"),
        ("103", 2, "area"),
        ("None", 1, "file_name"),
        ("None", 2, "file_name"),
    ]
    images = str(spoilt.parent / "images")
    assert found(check_file(str(spoilt), images, decode_images=True)) == expected
    without_decoding = [entry for entry in expected if entry != ("None", 1, "file_name")]
    assert found(check_file(str(spoilt), images)) == without_decoding
    assert found(check_file(str(spoilt))) == expected[:3]


def test_good_file_has_none(tmp_path):
    path = write_fake_dataset(tmp_path)
    assert list(check_file(str(path), str(tmp_path / "images"), decode_images=True)) == []


def test_every_kind_of_problem_is_found_by_the_file_check(tmp_path):
    for name, (change, annotation_id, field) in (CHEAP | STRUCTURE | EXPENSIVE).items():
        data = fake_coco_file(2, persons=2)
        change(data)
        path = tmp_path / "f.json"
        path.write_text(json.dumps(data))
        assert (annotation_id, field) in [
            (p.annotation_id, p.field) for p in check_file(str(path))
        ], name


def test_progress_wraps_masks_and_images(tmp_path):
    path = write_fake_dataset(tmp_path)
    seen = []

    def track(items, what):
        seen.append((what, len(list(items))))
        return items

    list(check_file(str(path), str(tmp_path / "images"), track=track))
    assert seen == [("masks", 6), ("images", 3)]


def test_command_lists_all_and_exits_1(run_command, spoilt, tmp_path):
    report = tmp_path / "report.json"
    images = spoilt.parent / "images"
    status, out, _ = run_command(
        "check", spoilt, "--img-dir", images, "--check-images", "--report", report
    )
    assert status == 1
    assert "5 problems" in out
    for word in ("dp_masks", "part 1", "outside 1..24 at point 4: 25", "not found", "truncated"):
        assert word in out
    entries = json.loads(report.read_text())
    assert len(entries) == 5
    assert set(entries[0]) == {"file", "annotation_id", "image_id", "field", "message"}


def test_command_shortens_its_table(run_command, spoilt):
    status, out, _ = run_command("check", spoilt, "--max-rows", 1)
    assert status == 1
    assert "2 more" in out
    assert "problems by field: " in out


def test_report_never_takes_the_place_of_an_input_or_of_another_file(run_command, spoilt, tmp_path):
    before = spoilt.read_bytes()
    for options in ([], ["--overwrite"]):
        status, _, err = run_command("check", spoilt, "--report", spoilt, *options)
        assert status == 1
        assert "is an input" in err
    assert spoilt.read_bytes() == before
    report = tmp_path / "report.json"
    report.write_text("mine")
    status, _, err = run_command("check", spoilt, "--report", report)
    assert status == 1
    assert "--overwrite" in err
    assert report.read_text() == "mine"


def test_text_of_the_file_is_no_markup(run_command, tmp_path):
    data = fake_coco_file()
    data["annotations"][0]["dp_I"] = ["[/b]"]
    data["images"][0]["file_name"] = "../[/red].jpg"
    path = write_fake_dataset(tmp_path, data)
    status, out, _ = run_command("check", path)
    assert status == 1
    assert "[/b]" in out
    assert "[/red]" in out


def test_a_config_says_what_its_training_needs(run_command, tmp_path):
    data = fake_coco_file()
    data["annotations"][0].pop("segmentation")
    path = write_fake_dataset(tmp_path, data)
    plain = {"type": "mmdet.LoadAnnotations", "with_bbox": True}
    config = tmp_path / "config.py"
    for step, status in ((plain, 0), ({**plain, "with_mask": True}, 1)):
        dataset = {"type": "RepeatDataset", "dataset": {"pipeline": [step]}}
        config.write_text(f"train_dataloader = {{'dataset': {dataset}}}\n")
        found, out, _ = run_command("check", path, "--for", config)
        assert found == status
        assert ("the mask branch needs it of every person" in out) == (status == 1)


def test_mask_branch_without_segmentation_is_named_at_the_start(tmp_path):
    data = fake_coco_file()
    data["annotations"][0].pop("segmentation")
    path = write_fake_dataset(tmp_path, data)
    step = {"type": "mmdet.LoadAnnotations", "with_bbox": True, "with_mask": True}
    with pytest.raises(AnnotationError, match="field segmentation: missing; the mask branch needs"):
        DensePoseCocoDataset(ann_file=str(path), pipeline=[step])


def test_command_exits_0_on_good_and_2_on_unreadable_files(run_command, tmp_path):
    path = write_fake_dataset(tmp_path)
    status, out, _ = run_command("check", path)
    assert status == 0
    assert "no problems" in out
    path.write_text("{")
    status, out, _ = run_command("check", path)
    assert status == 2
    assert "annotations.json: not a complete JSON file" in out
