"""Boxes of a detector in the form that top-down tests read."""

import json

import cv2
import numpy as np
import pytest

from mmktn.apis import detect_command
from mmktn.datasets.transforms.given_boxes import LoadGivenBoxes
from mmktn.stip.keypoint_datasets import CheckedCrowdPoseDataset
from tests.command_line import refused
from tests.test_apis.fake_detector import FakeDetector
from tests.test_stip.tiny_crowd import write_crowd


@pytest.fixture
def crowd(tmp_path, monkeypatch):
    """A crowd set whose person is category 2, its first image bright, and a detector for it."""
    content = write_crowd(tmp_path, images=3)
    content["categories"][0]["id"] = 2
    content["categories"].append({"id": 1, "name": "dog"})
    for annotation in content["annotations"]:
        annotation["category_id"] = 2
    (tmp_path / "crowd.json").write_text(json.dumps(content))
    for name in ("0.png", "2.png"):
        cv2.imwrite(str(tmp_path / "images" / name), np.full((120, 160, 3), 200, np.uint8))
    model = FakeDetector()
    model.dataset_meta = {"classes": ("person",)}
    made = detect_command.apis.DensePoseInferencer
    monkeypatch.setattr(detect_command.apis, "DensePoseInferencer", lambda *_, **__: made(model))
    arguments = ["detector.py", "w.pth", "--gt", tmp_path / "crowd.json"]
    return tmp_path, [*arguments, "--images", tmp_path / "images", "--out", tmp_path / "d.json"]


def run(arguments):
    return detect_command.main([str(argument) for argument in arguments])


@pytest.mark.parametrize("batch", [1, 2])
def test_boxes_are_what_top_down_tests_read(crowd, batch, capsys):
    folder, arguments = crowd
    assert run([*arguments, "--batch-size", batch]) == 0
    assert "4 boxes on 2 of 3 images" in capsys.readouterr().out
    found = json.loads((folder / "d.json").read_text())
    assert {entry["category_id"] for entry in found} == {2}
    assert [entry["score"] for entry in found] == [0.9, 0.5, 0.9, 0.5]
    assert [entry["image_id"] for entry in found] == [1, 1, 3, 3]
    assert found[0]["bbox"] == [4, 2, 8, 6]  # x, y, width, height of 4, 2, 12, 8
    options = {"bbox_file": str(folder / "d.json"), "test_mode": True}
    read = CheckedCrowdPoseDataset(ann_file=str(folder / "crowd.json"), **options)
    assert len(read) == 4
    given = LoadGivenBoxes(str(folder / "d.json"))({"img_id": 3, "person_ids": {2}})
    assert given["given_boxes"].shape == (2, 4)


def test_options_choose_boxes(crowd):
    folder, arguments = crowd
    assert run([*arguments, "--score-thr", 0.6]) == 0
    assert len(json.loads((folder / "d.json").read_text())) == 2
    assert run([*arguments, "--max-per-image", 1, "--label", 0, "--overwrite"]) == 0
    assert [entry["score"] for entry in json.loads((folder / "d.json").read_text())] == [0.9] * 2


def test_what_cannot_be_read_is_named(crowd, capsys):
    folder, arguments = crowd
    (folder / "images" / "0.png").write_text("no picture")
    (folder / "images" / "1.png").unlink()
    cv2.imwrite(str(folder / "images" / "2.png"), np.zeros((9, 9, 3), np.uint8))
    assert run(arguments) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [": no boxes, " in line for line in lines] == [True, True, True, False]
    assert "annotations say 160 x 120" in lines[2]
    assert json.loads((folder / "d.json").read_text()) == []


def test_wrong_input_is_one_line(crowd):
    folder, arguments = crowd
    main = detect_command.main
    refused(main, [*arguments[:-1], folder / "crowd.json", "--overwrite"], "is an input")
    refused(main, [*arguments, "--score-thr", "nan"], "--score-thr nan")
    refused(main, [*arguments, "--label", "-1"], "--label -1")
    refused(main, [*arguments, "--label", "1"], r"labels count from 0 to 0 \(person\)")
    refused(main, [*arguments[:5], folder / "none", *arguments[6:]], "image folder not found")
    for content in (
        "[]",
        '{"images": [{"id": 1, "file_name": "../x.jpg"}]}',
        '{"images": [{"id": 1, "file_name": "x.jpg"}], "categories": []}',
        '{"images": [{"id": "1", "file_name": "x.jpg"}]}',
    ):
        (folder / "crowd.json").write_text(content)
        refused(main, arguments, r"crowd\.json")
    assert not (folder / "d.json").exists()
