"""`python -m mmktn bootstrap`: a teacher's labels as an annotation file that training reads."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mmktn.apis import bootstrap_command
from mmktn.apis.bootstrap_command import main, parse_args, person_record
from mmktn.formats.annotation_checks import file_problems
from mmktn.formats.chart_arrays import ChartArrays
from mmktn.formats.masks import decode_rle, merge_dp_masks
from mmktn.surface.parts import CHART_TO_COARSE
from tests.command_line import refused

HW = (60, 80)


def person(xy=(20, 10), hw=(32, 16), confidence=0.7):
    """Chart 2 above, chart 9 below, background on the left; U counts columns, V rows."""
    labels = np.full(hw, 2, np.uint8)
    labels[hw[0] // 2 :] = 9
    labels[:, :4] = 0
    rows, columns = np.mgrid[: hw[0], : hw[1]] + 0.5
    uv = np.stack([columns / hw[1], rows / hw[0]]).astype(np.float32)
    sure = np.where(labels > 0, confidence, 0).astype(np.float32)
    return ChartArrays(labels, uv, fields={"chart_confidence": sure}, xy=xy)


def options(*more):
    return parse_args(["in", "--out", "out.json", *more])


class Teacher:
    """Finds three people of scores 0.9, 0.85 (unsure) and 0.5 in every bright picture."""

    needs_boxes = False
    scores = np.array([0.9, 0.85, 0.5])

    def __init__(self):
        self.batches = []

    def check_confidence(self, least):
        assert 0 <= least <= 1

    def __call__(self, images, *, batch_size, score_thr):
        self.batches.append(len(images))
        people = [person(), person(xy=(50, 40), confidence=0.2), person(xy=(0, 0))]
        boxes = np.array([each.box_xyxy for each in people], np.float32)
        found = []
        for image in images:
            count = 3 if image.source.mean() > 100 else 0
            found.append(
                SimpleNamespace(
                    image_hw=image.source.shape[:2],
                    boxes_xyxy=boxes[:count],
                    scores=self.scores[:count],
                    densepose=people[:count],
                    error=None,
                )
            )
        return found


@pytest.fixture
def teacher(monkeypatch):
    made = Teacher()
    monkeypatch.setattr(bootstrap_command, "open_teacher", lambda args: made)
    return made


@pytest.fixture
def pictures(tmp_path):
    for name, tone in (("a.png", 200), ("deep/b.png", 150), ("deep/dark.png", 3)):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((*HW, 3), tone, np.uint8))
    return tmp_path / "in"


@pytest.mark.parametrize("xy", [(20, 10), (-6, -5), (70, 50)])
def test_points_parts_and_outline_say_what_the_prediction_says(xy):
    """Also of people who leave the picture."""
    found = person(xy=xy)
    record = person_record(found, HW, options("--sampler", "uniform"), np.random.default_rng(0))
    x, y, w, h = record["bbox"]
    assert (x, y) == (max(xy[0], 0), max(xy[1], 0))
    assert x + w <= HW[1]
    assert y + h <= HW[0]
    outline = decode_rle(record["segmentation"])
    columns = np.array(record["dp_x"]) * w / 256 + x - xy[0]
    rows = np.array(record["dp_y"]) * h / 256 + y - xy[1]
    at = rows.astype(int), columns.astype(int)
    assert len(at[0]) == min(196, int(outline.sum()))
    assert np.array_equal(np.array(record["dp_I"]), found.labels[at])
    np.testing.assert_allclose(record["dp_U"], columns / 16, atol=1e-4)
    np.testing.assert_allclose(record["dp_V"], rows / 32, atol=1e-4)
    parts = merge_dp_masks(record["dp_masks"])
    cells = tuple(np.array(record[name]).astype(int) for name in ("dp_y", "dp_x"))
    assert np.array_equal(parts[cells], CHART_TO_COARSE[np.array(record["dp_I"]).astype(int)])
    assert record["area"] == outline.sum()


@pytest.mark.parametrize("xy", [(-16, 0), (77, 0), (0, 60)])
def test_a_person_of_whom_nothing_is_in_the_picture_is_none(xy):
    assert person_record(person(xy=xy), HW, options(), np.random.default_rng(0)) is None


def test_sure_people_are_persons_and_the_others_crowds(teacher, pictures, tmp_path, capsys):
    out = tmp_path / "labels.json"
    args = [str(pictures), "--out", str(out), "--min-score", "0.8", "--min-confidence", "0.5"]
    assert main([*args, "--batch-size", "2"]) == 0
    content = json.loads(out.read_text())
    assert teacher.batches == [2, 1]
    assert [image["file_name"] for image in content["images"]] == ["a.png", "deep/b.png"]
    assert list(file_problems(content, str(out))) == []
    for image in content["images"]:
        assert (pictures / image["file_name"]).is_file()
        found = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        assert [a["iscrowd"] for a in found] == [0, 1, 1]
        assert [a["score"] for a in found] == [0.9, 0.85, 0.5]
        assert ["dp_x" in a for a in found] == [True, False, False]
        assert [len(a["dp_I"]) for a in found if "dp_I" in a] == [16]  # 8 a chart
    said = capsys.readouterr().out
    assert "2 people on 2 of 3 pictures" in said
    assert "4 left out" in said
    # Without a least confidence the unsure one counts as well.
    assert main([*args[:5], "--overwrite"]) == 0
    assert [a["iscrowd"] for a in json.loads(out.read_text())["annotations"]] == [0, 0, 1] * 2


def test_the_seed_decides_the_points_whatever_the_batches(teacher, pictures, tmp_path):
    def run(*more):
        out = tmp_path / "labels.json"
        assert main([str(pictures), "--out", str(out), "--overwrite", *more]) == 0
        return json.loads(out.read_text())["annotations"]

    assert run() == run("--batch-size", "3")
    assert run() != run("--seed", "1")


def test_frames_of_a_film_are_written_where_somebody_is_chosen(teacher, tmp_path, monkeypatch):
    pytest.importorskip("av")
    from tests.test_video.films import film

    made = film(tmp_path / "walk.mp4", count=12, size_hw=HW)
    out, frames = tmp_path / "labels.json", tmp_path / "frames"
    args = [str(made), "--out", str(out), "--frames", str(frames), "--every", "5"]
    monkeypatch.setattr(Teacher, "__call__", bright)
    assert main(args) == 0
    content = json.loads(out.read_text())
    names = [image["file_name"] for image in content["images"]]
    assert names == ["walk_000000.png", "walk_000010.png"]
    assert sorted(path.name for path in frames.iterdir()) == names
    assert cv2.imread(str(frames / names[0])).shape[:2] == HW


def bright(self, images, **_):
    """In place of `Teacher.__call__`: nobody on the second of all frames."""
    found = []
    for image in images:
        self.batches.append(1)
        count = 0 if len(self.batches) == 2 else 1
        each = SimpleNamespace(image_hw=image.source.shape[:2], scores=np.array([0.9])[:count])
        each.densepose, each.error = [person()][:count], None
        each.boxes_xyxy = np.array([person().box_xyxy], np.float32)[:count]
        found.append(each)
    return found


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--min-score", "2"], "--min-score 2.0: 0 to 1"),
        (["--pool", "0.5"], "--pool 0.5"),
        (["--seed", "-1"], "--seed -1"),
        (["--frames", "x"], "--frames is for films"),
        (["--min-score", "0.95"], "nobody on 3 pictures was chosen of 6 who were found"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_written(teacher, pictures, tmp_path, more, text):
    refused(main, [pictures, "--out", tmp_path / "labels.json", *more], text)
    assert not (tmp_path / "labels.json").exists()


def test_films_ask_for_a_folder_and_unreadable_pictures_are_named(teacher, pictures, capsys):
    (pictures / "film.mp4").write_bytes(b"")
    refused(main, [pictures / "film.mp4", "--out", "x.json"], "say with --frames FOLDER")
    (pictures / "broken.png").write_bytes(b"no picture")
    out = pictures.parent / "labels.json"
    assert main([str(pictures), "--out", str(out)]) == 1
    assert "broken.png: skipped" in capsys.readouterr().err
    assert len(json.loads(out.read_text())["images"]) == 2
