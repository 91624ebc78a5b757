"""The browser writes a picture per image, from a JSON file and through a config's pipeline."""

import json
import re

import cv2
import pytest

from tests.fake_annotations import write_fake_dataset

LOAD = [
    {"type": "mmktn.LoadImageFromFile"},
    {"type": "mmdet.LoadAnnotations", "with_bbox": True},
    {"type": "mmktn.LoadDensePoseAnnotations"},
]
TRANSFORM = [
    {"type": "mmdet.Resize", "scale": (96, 72)},
    {"type": "mmktn.DensePoseRandomFlip", "prob": 1.0},
]
PACK = {"type": "mmktn.PackDensePoseInputs"}


@pytest.fixture
def written(tmp_path):
    return write_fake_dataset(tmp_path)


def test_json_file(run_command, written, tmp_path):
    arguments = ("--img-dir", tmp_path / "images", "--output-dir", tmp_path / "out")
    status, out, _ = run_command("browse", written, *arguments, "--max-images", 2)
    assert status == 0
    assert "2 pictures" in out
    pictures = sorted((tmp_path / "out").iterdir())
    assert [p.name for p in pictures] == ["000000000001.png", "000000000002.png"]
    assert cv2.imread(str(pictures[0])).std() > 20


def test_config(run_command, written, tmp_path):
    dataset = {
        "type": "mmktn.DensePoseCocoDataset",
        "ann_file": str(written),
        "data_prefix": {"img": str(tmp_path / "images")},
    }
    config = {
        "train_dataloader": {"dataset": dataset | {"pipeline": [*LOAD, *TRANSFORM, PACK]}},
        "val_dataloader": {"dataset": dataset | {"pipeline": [LOAD[0], PACK]}},
    }
    path = tmp_path / "browse.py"
    path.write_text("\n".join(f"{key} = {value!r}" for key, value in config.items()))
    status, _, _ = run_command("browse", path, "--output-dir", tmp_path / "b", "--shuffle")
    assert status == 0
    assert len(list((tmp_path / "b").iterdir())) == 3
    status, _, err = run_command("browse", path, "--split", "val", "--output-dir", tmp_path)
    assert status == 1
    assert "loads no annotations" in err


def test_photographs_and_older_pictures_stay(run_command, written, tmp_path):
    images = tmp_path / "images"
    data = json.loads(written.read_text())
    data["images"] = data["images"][:1]
    data["annotations"] = [a for a in data["annotations"] if a["image_id"] == 1]
    source = images / data["images"][0]["file_name"]
    photograph = source.rename(source.with_suffix(".png"))
    data["images"][0]["file_name"] = photograph.name
    written.write_text(json.dumps(data))
    before = photograph.read_bytes()
    tool = ("browse", written, "--img-dir", images, "--output-dir")
    for folder, options, said in (
        (images, ["--overwrite"], "is an input"),
        (photograph, [], "is a file"),
        (tmp_path / "out", [], None),
        (tmp_path / "out", [], "--overwrite"),
        (tmp_path / "out", ["--overwrite"], None),
    ):
        status, _, err = run_command(*tool, folder, *options)
        assert status == (said is not None), err
        assert said is None or re.search(said, err), err
    assert photograph.read_bytes() == before


def test_problems_are_one_line(run_command, written, tmp_path):
    status, _, err = run_command("browse", tmp_path / "missing.json", "--img-dir", tmp_path)
    assert status == 1
    assert "annotation file not found" in err
    data = json.loads(written.read_text())
    data["annotations"][0]["dp_I"][0] = 77
    written.write_text(json.dumps(data))
    status, _, err = run_command("browse", written, "--img-dir", tmp_path / "images")
    assert status == 1
    assert "field dp_I" in err
    assert len(err.strip().splitlines()) == 1
