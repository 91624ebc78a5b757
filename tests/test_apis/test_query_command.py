"""`python -m mmktn query` prints, counts, writes and draws."""

import json

import pytest

from mmktn.apis.query_command import main
from tests.fake_annotations import write_fake_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("fake")
    write_fake_dataset(path, num_images=3, persons=2, image_hw=(96, 128))
    return path


def test_entries_are_printed_and_counted(folder, capsys):
    file = str(folder / "annotations.json")
    ids = [a["id"] for a in json.loads((folder / "annotations.json").read_text())["annotations"]]
    assert main([file, f"id == {ids[1]}", "--fields", "id", "image.width", "category.name"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["id", "image.width", "category.name"]
    assert lines[1].split() == [str(ids[1]), "128", "person"]
    assert main([file, "--count"]) == 0
    assert capsys.readouterr().out.strip() == str(len(ids))


def test_chosen_entries_become_a_file(folder, tmp_path, capsys):
    file, target = folder / "annotations.json", tmp_path / "out.json"
    image = json.loads(file.read_text())["images"][0]["id"]
    assert main([str(file), f"image_id == {image}", "--out", str(target)]) == 0
    data = json.loads(target.read_text())
    assert [i["id"] for i in data["images"]] == [image]
    assert {a["image_id"] for a in data["annotations"]} == {image}
    assert main([str(file), "--out", str(target)]) == 1  # it exists
    assert "exists" in capsys.readouterr().err
    assert main([str(file), "--out", str(file), "--overwrite"]) == 1  # an input


def test_pictures_are_drawn(folder, tmp_path):
    data = json.loads((folder / "annotations.json").read_text())
    image = data["images"][1]
    out = tmp_path / "drawn"
    argv = [str(folder / "annotations.json"), f"image_id == {image['id']}"]
    assert main([*argv, "--draw", str(out), "--img-dir", str(folder / "images")]) == 0
    assert len(list(out.glob("*.png"))) == 1
    # One that exists is noticed before any other is drawn.
    file = str(folder / "annotations.json")
    assert main([file, "--draw", str(out), "--img-dir", str(folder / "images")]) == 1
    assert len(list(out.iterdir())) == 1


@pytest.mark.parametrize("text", ["id ==", "open('x')"])
def test_wrong_expressions_end_with_one_line(folder, text, capsys):
    assert main([str(folder / "annotations.json"), text]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_another_file_is_refused(tmp_path, capsys):
    (tmp_path / "a.json").write_text("[1, 2]")
    assert main([str(tmp_path / "a.json")]) == 1
    assert "COCO" in capsys.readouterr().err
