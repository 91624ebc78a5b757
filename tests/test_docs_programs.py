"""Every program of docs/python.md runs, top to bottom, in a folder with the files that it names."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import mmktn.apis
from mmktn.evaluation.result_files import official_entry
from tests.fake_annotations import write_fake_dataset
from tests.test_apis.fake_detector import FakeDetector
from tests.test_evaluation.builders import World

PAGE = Path(__file__).parents[1] / "docs/python.md"
PROGRAMS = dict(
    re.findall(r"^## ([^\n]+)\n+```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Two photos, results with their annotations, and a data set; a model without a network."""
    for name, value in (("photo.jpg", 200), ("other.jpg", 150)):
        cv2.imwrite(str(tmp_path / name), np.full((20, 30, 3), value, np.uint8))
    world = World(images=2, people=2)
    found = world.detections()
    entries = [official_entry(found, index) for index in range(len(found))]
    (tmp_path / "annotations.json").write_text(json.dumps(world.data))
    (tmp_path / "results.json").write_text(json.dumps(entries))
    write_fake_dataset(tmp_path / "mine", num_images=2, persons=2, image_hw=(96, 128))
    shipped = mmktn.apis.DensePoseInferencer
    monkeypatch.setattr(mmktn.apis, "DensePoseInferencer", lambda: shipped(FakeDetector()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(name: str, capsys) -> tuple[dict, str]:
    """Names that a program leaves behind, and what it printed."""
    names: dict = {}
    exec(compile(PROGRAMS[name], f"{PAGE.name}: {name}", "exec"), names)
    return names, capsys.readouterr().out


def test_every_program_has_a_test():
    assert list(PROGRAMS) == [
        "Charts of a photo",
        "GPS of a result file",
        "The clothes of one person on another",
        "Which vertex of the body is this pixel?",
        "Training on data of your own",
    ]
    assert max(len(program.splitlines()) for program in PROGRAMS.values()) <= 15


def test_charts_of_a_photo(folder, capsys):
    names, _ = run("Charts of a photo", capsys)
    assert names["chart"].shape == (20, 30)
    assert set(np.unique(names["chart"])) == {0, 2, 9}
    assert cv2.imread("photo_charts.png").shape == (20, 30, 3)


def test_gps_of_a_result_file(folder, capsys):
    names, printed = run("GPS of a result file", capsys)
    assert names["scores"].values()["gps/AP"] == 1
    assert "same surface" in printed


def test_clothes_of_one_person_on_another(folder, capsys):
    names, _ = run("The clothes of one person on another", capsys)
    dressed = cv2.imread("dressed.png")
    taker = names["taker"].people[0].canvas().mask
    assert np.abs(dressed[taker].astype(int) - 200).max() <= 3
    assert np.abs(dressed[~taker].astype(int) - 150).max() <= 3


def test_which_vertex_is_this_pixel(folder, capsys):
    names, printed = run("Which vertex of the body is this pixel?", capsys)
    points = names["points"]
    assert f"shows vertex {points.vertices[0]} at" in printed
    assert names["clicked"].vertices[0] == points.vertices[0]


@pytest.mark.slow
def test_training_on_data_of_your_own(folder, capsys):
    run("Training on data of your own", capsys)
    assert (folder / "work/iter_2.pth").is_file()
