"""Every program of docs/tutorials runs, top to bottom, in a folder with the files that it names."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import mmktn.apis
from mmktn.formats.result_files import official_entry
from tests.fake_annotations import write_fake_dataset
from tests.test_apis.fake_detector import FakeDetector
from tests.test_evaluation.builders import World
from tests.test_zoo.test_full_size import FILE, official_file

PAGES = sorted((Path(__file__).parents[1] / "docs/tutorials").glob("*.md"))
PROGRAMS = {
    page.stem: programs
    for page in PAGES
    if (
        programs := re.findall(
            r"^```python\n(.*?)```", page.read_text(encoding="utf-8"), re.M | re.S
        )
    )
}


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
    """Names that the program of a page leaves behind, and what it printed."""
    names: dict = {}
    (program,) = PROGRAMS[name]
    exec(compile(program, f"{name}.md", "exec"), names)
    return names, capsys.readouterr().out


def test_every_program_has_a_test():
    # tests/test_docs_examples.py runs the last one, which is several files.
    assert set(PROGRAMS) == {
        "from-detectron2",
        "own-data",
        "photo",
        "score",
        "texture",
        "vertices",
        "own-map",
    }
    assert all(len(PROGRAMS[name][0].splitlines()) <= 15 for name in set(PROGRAMS) - {"own-map"})


def test_charts_of_a_photo(folder, capsys):
    names, _ = run("photo", capsys)
    assert names["chart"].shape == (20, 30)
    assert set(np.unique(names["chart"])) == {0, 2, 9}
    assert cv2.imread("photo_charts.png").shape == (20, 30, 3)


def test_gps_of_a_result_file(folder, capsys):
    names, printed = run("score", capsys)
    assert names["scores"].values()["gps/AP"] == 1
    assert "same surface" in printed


def test_clothes_of_one_person_on_another(folder, capsys):
    names, _ = run("texture", capsys)
    dressed = cv2.imread("dressed.png")
    taker = names["taker"].people[0].canvas().mask
    assert np.abs(dressed[taker].astype(int) - 200).max() <= 3
    assert np.abs(dressed[~taker].astype(int) - 150).max() <= 3


def test_which_vertex_is_this_pixel(folder, capsys):
    names, printed = run("vertices", capsys)
    points = names["points"]
    assert f"shows vertex {points.vertices[0]} at" in printed
    assert names["clicked"].vertices[0] == points.vertices[0]


@pytest.mark.slow
def test_training_on_data_of_your_own(folder, capsys):
    run("own-data", capsys)
    assert (folder / "work/iter_2.pth").is_file()


@pytest.mark.slow
def test_from_detectron2(folder, capsys, monkeypatch):
    """A model of full size, with made-up numbers, in the publisher's place."""
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MMKTN_HOME", str(folder / "home"))
    place = folder / "mirror" / FILE.lstrip("/")
    place.parent.mkdir(parents=True)
    place.write_bytes(official_file())
    monkeypatch.setenv("MMKTN_MIRROR", str(folder / "mirror"))
    names, printed = run("from-detectron2", capsys)
    people = len(names["prediction"].people)
    assert f"{people} people" in printed
    assert people > 0
    assert len(json.loads((folder / "photo.json").read_text())) == people
