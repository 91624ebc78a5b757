import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from demo import image_demo
from mmktn.apis import DensePoseInferencer, open_inferencer
from tests.test_apis.fake_detector import FakeDetector

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the demo on a detector that needs neither config nor weights."""
    monkeypatch.setattr(
        image_demo.apis, "open_inferencer", lambda *_, **__: DensePoseInferencer(FakeDetector())
    )

    def call(*images, options=()):
        out = ["--out-dir", str(tmp_path / "out")]
        return image_demo.main([*map(str, images), "cfg.py", "weights.pth", *out, *options])

    return call


def _write(path: Path, value: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((20, 30, 3), value, np.uint8))
    return path


def test_people_are_drawn_side_by_side_under_the_name_of_the_image(run, tmp_path, capsys):
    assert run(_write(tmp_path / "holiday.png", 200)) == 0
    picture = cv2.imread(str(tmp_path / "out" / "holiday.png"))
    assert picture.shape[1] > 4 * 30
    assert "[1/1] holiday.png: 2 people, best score 0.90 -> " in capsys.readouterr().out


def test_nobody_found_is_said_and_is_no_failure(run, tmp_path, capsys):
    assert run(_write(tmp_path / "empty.png", 10)) == 0
    assert "empty.png: nobody found above score 0.3" in capsys.readouterr().out
    assert (tmp_path / "out" / "empty.png").is_file()


def test_broken_file_is_named_and_the_rest_go_on(run, tmp_path, capsys):
    folder = tmp_path / "in"
    _write(folder / "b.png", 200)
    (folder / "a.jpg").write_bytes(b"\xff\xd8 cut off")
    assert run(folder) == 1
    shown = capsys.readouterr()
    assert "[1/2] a.jpg: skipped, is truncated or no image" in shown.out
    assert "[2/2] b.png: 2 people" in shown.out
    assert "1 of 2 pictures were skipped" in shown.err


def test_missing_files_are_named(run, tmp_path, capsys):
    assert run(tmp_path / "x.png", tmp_path / "y.png") == 1
    assert "x.png: skipped, no such file" in capsys.readouterr().out


def test_extra_files(run, tmp_path):
    image = _write(tmp_path / "a.png", 200)
    assert run(image, options=["--save", "json", "iuv", "charts", "--preset", "viton"]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "a.png",
        "a.json",
        "a_IUV.png",
        "a_INDS.png",
        "a_viton.png",
    }


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["cfg.py", "w.pth"], ("cfg.py", "w.pth")),
        (["mmktn::a", "w.pth"], ("mmktn::a", "w.pth")),
        (["--model", "densepose-rcnn_r50_fpn_s1x"], ("densepose-rcnn_r50_fpn_s1x", None)),
        ([], ("ktn_efficientnet-lite0", None)),
    ],
)
def test_the_model_is_named_or_given_as_files(words, given, monkeypatch, tmp_path, capsys):
    opened = []

    def record(config, checkpoint, **_):
        opened.append((config, checkpoint))
        return DensePoseInferencer(FakeDetector())

    monkeypatch.setattr(image_demo.apis, "open_inferencer", record)
    images = [str(_write(tmp_path / name, 200)) for name in ("a.png", "b.png")]
    assert image_demo.main([*images, *words, "--out-dir", str(tmp_path / "out")]) == 0
    assert opened == [given]
    assert "[2/2] b.png: 2 people" in capsys.readouterr().out


def test_missing_config_is_one_line_and_status_1(tmp_path, capsys):
    image = _write(tmp_path / "a.png", 200)
    assert image_demo.main([str(image), str(tmp_path / "no.py"), "w.pth"]) == 1
    assert capsys.readouterr().err.strip().endswith(f"config not found: {tmp_path / 'no.py'}")


def test_empty_folder_is_one_line_and_status_1(tmp_path, capsys):
    assert image_demo.main([str(tmp_path), "cfg.py", "w.pth"]) == 1
    assert "holds no images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("fcn/dp-fcn-teacher_r18_cpu_dp-synth.py", "mmktn.LoadPersonMap"),
        ("tasks/keypoints_r18_fpn_cpu_dp-synth.py", "this model makes no charts"),
        ("stip/stip_hrnet-w16n_cpu_synthcrowd-128x96.py", "use demo/pose_demo.py"),
    ],
)
def test_systems_that_make_no_charts_of_pictures_say_so(
    config, message, tmp_path, capsys, monkeypatch
):
    def with_random_weights(path, _checkpoint, **_):
        return open_inferencer(path, None, device="cpu")

    monkeypatch.setattr(image_demo.apis, "open_inferencer", with_random_weights)
    path = str(CONFIGS / config)
    image = _write(tmp_path / "a.png", 200)
    assert image_demo.main([str(image), path, "w.pth", "--out-dir", str(tmp_path / "out")]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("image_demo: ")
    assert message in last


def test_photographs_are_never_written_over(run, tmp_path, capsys):
    image = _write(tmp_path / "out" / "a.png", 200)
    before = image.read_bytes()
    for options in ([], ["--overwrite"]):
        assert run(image, options=options) == 1
        assert "a.png is an input of this command" in capsys.readouterr().err
    assert image.read_bytes() == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def test_a_second_run_asks_for_overwrite(run, tmp_path, capsys):
    image = _write(tmp_path / "a.png", 200)
    mine = tmp_path / "out" / "a.json"
    mine.parent.mkdir()
    mine.write_text("mine")
    assert run(image, options=["--save", "json"]) == 1
    assert "a.json exists; write to another folder or pass --overwrite" in capsys.readouterr().err
    assert mine.read_text() == "mine"
    assert run(image) == 0
    assert run(image) == 1
    assert run(image, options=["--save", "json", "--overwrite"]) == 0
    assert mine.read_text().startswith("[")


def test_the_file_of_boxes_is_never_written_over(run, tmp_path, capsys):
    image = _write(tmp_path / "a.png", 200)
    boxes = tmp_path / "out" / "a.json"
    boxes.parent.mkdir()
    boxes.write_text('{"a.png": []}')
    options = ["--save", "json", "--boxes", str(boxes), "--overwrite"]
    assert run(image, options=options) == 1
    assert "is an input" in capsys.readouterr().err
    assert boxes.read_text() == '{"a.png": []}'


def test_bad_boxes_are_a_line_of_their_picture(run, tmp_path, capsys):
    entries = {
        "a": "[[NaN, 0, 5, 5]]",
        "b": "[[9, 0, 5, 5]]",
        "c": "[[100, 100, 105, 105]]",
        "d": '"x"',
        "f": "[[-9, -9, 100000, 100000]]",
    }
    folder = tmp_path / "in"
    for name in [*entries, "e"]:
        _write(folder / f"{name}.png", 200)
    file = tmp_path / "boxes.json"
    rows = ", ".join(f'"{name}.png": {text}' for name, text in entries.items())
    file.write_text("{" + rows + "}")
    assert run(folder, options=["--boxes", str(file)]) == 1
    shown = capsys.readouterr().out
    assert 'a.png": box 0 [nan, 0.0, 5.0, 5.0] (x1, y1, x2, y2) has numbers that are not' in shown
    assert 'b.png": box 0 [9.0, 0.0, 5.0, 5.0] (x1, y1, x2, y2) has no area' in shown
    assert "c.png: skipped, box 0" in shown
    assert "lies outside its picture of 30 x 20 pixels" in shown
    assert "d.png: skipped" in shown
    assert "has no entry 'e.png'" in shown
    assert "f.png: 1 person" in shown


@pytest.mark.parametrize(("name", "drawn"), [("a.jfif", "a.jpg"), ("a.jp2", "a.png")])
def test_pictures_of_formats_that_cannot_be_written(run, tmp_path, name, drawn):
    suffix = ".jpg" if name.endswith("jfif") else ".jp2"
    coded = cv2.imencode(suffix, np.full((128, 160, 3), 200, np.uint8))[1]
    (tmp_path / name).write_bytes(coded.tobytes())
    assert run(tmp_path / name) == 0
    assert cv2.imread(str(tmp_path / "out" / drawn)).shape[1] > 4 * 30


def test_thin_pictures_are_worked_on(run, tmp_path):
    for name, size in (("tall", (5000, 1)), ("wide", (1, 5000)), ("one", (1, 1))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((*size, 3), 9, np.uint8))
        assert run(tmp_path / f"{name}.png") == 0
        assert (tmp_path / "out" / f"{name}.png").is_file()


def test_limit_of_pixels(run, tmp_path, capsys):
    image = _write(tmp_path / "a.png", 200)
    assert run(image, options=["--max-pixels", "599"]) == 1
    assert "is 30 x 20 = 600 pixels, more than the 599 allowed" in capsys.readouterr().out
    assert run(image, options=["--max-pixels", "600"]) == 0


def test_names_of_any_bytes_are_printed_on_one_line(run, tmp_path, capsys):
    names = [b"new\nline.png", b"latin\xe9.png", b"[b]bold.png"]
    data = _write(tmp_path / "a.png", 200).read_bytes()
    for name in names:
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.write_bytes(data)
        assert run(path) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_folder_for_outputs_is_a_file(run, tmp_path, capsys):
    image = _write(tmp_path / "a.png", 200)
    (tmp_path / "out").write_text("mine")
    assert run(image) == 1
    assert "out is a file; give a folder to write into" in capsys.readouterr().err


def test_a_full_disk_ends_the_run_with_one_line(run, tmp_path, capsys, monkeypatch):
    image = _write(tmp_path / "a.png", 200)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert run(image) == 1
    assert "the disk is full; nothing was written" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_a_name_too_long_for_its_files_is_one_picture_only(run, tmp_path, capsys):
    folder = tmp_path / "in"
    _write(folder / "b.png", 200)
    (folder / "b.png").rename(folder / ("a" * 250 + ".png"))
    _write(folder / "c.png", 200)
    assert run(folder, options=["--save", "iuv"]) == 1
    shown = capsys.readouterr()
    assert "name too long" in shown.out + shown.err


def test_unknown_device_is_one_line(tmp_path, capsys):
    image = _write(tmp_path / "a.png", 200)
    config = str(CONFIGS / "densepose/densepose-rcnn_r18_fpn_cpu_dp-synth.py")
    out = ["--out-dir", str(tmp_path / "out"), "--device", "foo"]
    assert image_demo.main([str(image), config, "w.pth", *out]) == 1
    assert "device 'foo' is unknown; use cpu" in capsys.readouterr().err
