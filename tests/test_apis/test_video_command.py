"""`python -m mmktn video`: frames, files, what goes on after an interruption, what is refused."""

import errno
import json
import os
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmktn.__main__ import main as mmktn
from mmktn.apis import DensePoseInferencer, film_run, video_command
from mmktn.apis.video_command import main
from mmktn.formats.iuv_files import read_iuv_png
from mmktn.utils.user_error import UserError
from mmktn.video.tracking import Tracker
from mmktn.video.writing import write_film
from mmktn.visualization.colormaps import chart_colours
from tests.command_line import refused
from tests.test_apis.fake_detector import FakeDetector
from tests.test_video.films import RATE, damaged_film, film, read, sound_seconds


class Watched(DensePoseInferencer):
    """Counts its batches; may break off."""

    batches: list[int] = []
    stop_at: int | None = None

    def predict(self, images, **kwargs):
        if Watched.stop_at is not None and len(Watched.batches) == Watched.stop_at:
            raise KeyboardInterrupt
        Watched.batches.append(len(images))
        return super().predict(images, **kwargs)


@pytest.fixture
def batches(monkeypatch, tmp_path):
    """Run on a detector without weights, which finds two people on every bright frame."""
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"the weights")
    Watched.batches, Watched.stop_at = [], None
    monkeypatch.setattr(video_command, "resolve_names", lambda *_: ("a.py", weights))
    monkeypatch.setattr(video_command, "open_inferencer", lambda *_, **__: Watched(FakeDetector()))
    return Watched.batches


def bright(path, count=20, **options):
    """A film on which the detector finds people."""
    pictures = (np.full((48, 64, 3), 180 + k, np.uint8) for k in range(count))
    write_film(path, pictures, RATE, **options)
    return path


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_film_becomes_a_film(batches, tmp_path, capsys):
    source, out = bright(tmp_path / "in.mp4", tone_hz=300), tmp_path / "out" / "x.mp4"
    flags = ["--preset", "magicanimate", "--batch-size", "3", "--smooth", "0"]
    more = ["--iuv", str(tmp_path / "x.mkv"), "--jsonl", str(tmp_path / "x.jsonl"), "--maps"]
    assert mmktn(["video", str(source), "--out", str(out), *flags, *more]) == 0
    assert "20 frames, 2 people" in capsys.readouterr().out
    times, pictures = read(out)
    np.testing.assert_allclose(times, np.arange(20) / 25, atol=1e-9)
    colours = chart_colours("viridis")
    inside = pictures[7][4, 8].astype(int)  # both people; chart 9 has the higher score
    assert np.abs(inside - colours[9]).max() < 12
    assert np.abs(pictures[7][40, 50].astype(int) - colours[0]).max() < 12
    assert abs(sound_seconds(out) - 0.8) < 0.06
    _, maps = read(tmp_path / "x.mkv")
    assert len(maps) == 20
    np.testing.assert_array_equal(maps[3][4, 8], [127, 127, 9])  # V, U, I
    told = lines(tmp_path / "x.jsonl")
    assert [line["frame"] for line in told] == list(range(20))
    assert told[5]["time_s"] == 0.2
    assert {p["track_id"] for line in told for p in line["people"]} == {1, 2}
    assert told[9]["people"][0]["bbox"] == [4, 2, 8, 6]
    assert told[9]["people"][0]["uv_shape"] == [3, 6, 8]
    assert sorted(p.name for p in out.parent.iterdir()) == ["x.mp4"]
    assert batches == [3] * 6 + [2]


def test_an_interrupted_run_ends_with_the_same_film(batches, tmp_path):
    source = bright(tmp_path / "in.mp4", 33, tone_hz=300)
    flags = ["--batch-size", "2", "--piece", "5", "--every", "2", "--start", "1"]

    def run(name):
        out = tmp_path / name
        extra = ["--iuv", str(out / "x.mkv"), "--jsonl", str(out / "x.jsonl")]
        return main([str(source), "--out", str(out / "x.mp4"), *flags, *extra])

    assert run("whole") == 0
    total = len(batches)
    batches.clear()
    assert total == 8
    for stop_at in (1, 5, 3):  # before, behind the first and behind the second piece
        Watched.stop_at = stop_at
        assert run("parts") == 130
        batches.clear()
    Watched.stop_at = None
    assert run("parts") == 0
    assert len(batches) == 1  # the finished pieces are not made again
    for name in ("x.mp4", "x.mkv", "x.jsonl"):
        whole, parts = (tmp_path / run / name for run in ("whole", "parts"))
        assert whole.read_bytes() == parts.read_bytes(), name
    assert [line["frame"] for line in lines(tmp_path / "parts" / "x.jsonl")] == list(
        range(1, 33, 2)
    )
    assert sorted(p.name for p in (tmp_path / "parts").iterdir()) == ["x.jsonl", "x.mkv", "x.mp4"]


def test_the_time_left_counts_from_the_first_frame(monkeypatch, capsys):
    """Opening the model takes no part in the pace, and frames of a run before are no pace."""
    now = iter([100.0, 110.0, 121.0])  # the first frame comes 100 s after the start
    monkeypatch.setattr(video_command.time, "monotonic", lambda: next(now))
    say = video_command._lines(total=500)
    for made in (1, 21, 43):
        say(film_run.FilmCounts(made=made, found_before=300))
    assert capsys.readouterr().err == "343 of 500 frames, 2.0 a second, 78 s left\n"


def test_a_run_with_other_settings_does_not_go_on(batches, tmp_path):
    source, out = bright(tmp_path / "in.mp4", 12), tmp_path / "x.mp4"
    flags = [source, "--out", out, "--piece", "2"]
    Watched.stop_at = 6
    assert main([str(f) for f in flags]) == 130
    Watched.stop_at = None
    assert not out.exists()
    refused(main, [*flags, "--preset", "viton"], "x.mp4.parts is of a run with other settings")
    assert main([str(f) for f in [*flags, "--preset", "viton", "--overwrite"]]) == 0
    assert len(read(out)[1]) == 12


def test_broken_frames_are_named_and_the_others_go_on(batches, tmp_path, capsys):
    source, out = damaged_film(tmp_path / "in.mp4"), tmp_path / "x.mp4"
    assert main([str(source), "--out", str(out), "--jsonl", str(tmp_path / "x.jsonl")]) == 1
    shown = capsys.readouterr().err
    assert "frame 5 at 0.200 s" in shown
    assert "frame 13 at 0.520 s" in shown
    assert "2 of 20 frames are broken" in shown
    assert len(read(out)[1]) == 20
    told = lines(tmp_path / "x.jsonl")
    assert [line["frame"] for line in told if "error" in line] == [5, 13]
    assert sum(batches) == 18


def test_tracks_are_told_of_the_time_that_broken_frames_take(batches, tmp_path, monkeypatch):
    gaps = []

    class Timed(Tracker):
        def update(self, people, image, seconds):
            gaps.append(seconds)
            return super().update(people, image, seconds)

    monkeypatch.setattr(film_run, "Tracker", Timed)
    source = damaged_film(tmp_path / "in.mp4", (5, 6, 7, 8))
    assert main([str(source), "--out", str(tmp_path / "x.mp4"), "--smooth", "0"]) == 1
    assert sum(gaps) == pytest.approx(20 / 25)


def test_a_run_that_cannot_begin_leaves_nothing_beside_its_output(batches, tmp_path, monkeypatch):
    def without_confidences(*_, **__):
        raise UserError("no confidences")

    source = film(tmp_path / "in.mp4", 3)
    monkeypatch.setattr(video_command, "open_inferencer", without_confidences)
    refused(main, [source, "--out", tmp_path / "out" / "x.mp4"], "no confidences")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def other_disk(monkeypatch):
    """Files cannot be renamed from one folder into another."""

    def move(real, source, target):
        if Path(source).parent != Path(target).parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        real(source, target)

    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, partial(move, getattr(os, name)))


def test_a_folder_of_frames_and_frames_of_iuv(batches, tmp_path, other_disk):
    (tmp_path / "in").mkdir()
    for k in range(4):
        cv2.imwrite(str(tmp_path / "in" / f"{k}.png"), np.full((47, 63, 3), 200, np.uint8))
    out, maps = tmp_path / "x.mp4", tmp_path / "maps"
    flags = [str(tmp_path / "in"), "--out", str(out), "--fps", "12.5", "--iuv", str(maps)]
    assert main([*flags, "--smooth", "1", "--ids"]) == 0
    times, pictures = read(out)
    np.testing.assert_allclose(times, np.arange(4) / 12.5, atol=1e-9)
    assert pictures[0].shape == (48, 64, 3)
    assert sorted(p.name for p in maps.iterdir()) == [f"{k:08d}_IUV.png" for k in range(4)]
    iuv = read_iuv_png(maps / "00000002_IUV.png")
    assert iuv.shape == (3, 47, 63)
    assert iuv[0, 4, 8] == 9


def test_a_live_film_ends_with_ctrl_c(batches, tmp_path, monkeypatch):
    class Live(film_run.FilmRun):
        def _predictions(self, batch):
            if batch[0].index == 4:
                raise KeyboardInterrupt
            return super()._predictions(batch)

    class Camera:
        def __init__(self, _):
            pass

        def isOpened(self):
            return True

        def read(self):
            return True, np.full((48, 64, 3), 200, np.uint8)

        def get(self, _):
            return 25.0

        def release(self):
            pass

    monkeypatch.setattr(video_command, "FilmRun", Live)
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    assert main(["0", "--out", str(tmp_path / "x.mp4")]) == 0
    assert len(read(tmp_path / "x.mp4")[1]) == 4


def test_mistakes_are_one_line_before_any_work(batches, tmp_path):
    source = film(tmp_path / "in.mp4", 3)
    out = tmp_path / "x.mp4"
    for arguments, line in (
        ([source, "--out", source], "in.mp4 is an input of this command"),
        ([source, "--out", tmp_path / "x.avi"], "films are written as .mp4"),
        ([tmp_path / "none.mp4", "--out", out], "none.mp4: no such file, folder or camera"),
        ([source, "--out", out, "--start", "x"], "--start x: give a frame"),
        ([source, "--out", out, "--start", "9", "--end", "4"], "--end 4 is not behind the start"),
        ([source, "--out", out, "--start", "9"], "no frames in what was asked for"),
        ([source, "--out", out, "--fps", "30"], "--fps is for a folder"),
        ([source, "--out", out, "--iuv", tmp_path / "a.mp4"], "give a .mkv file or a folder"),
        ([source, "--out", out, "--jsonl", out], "are one file"),
        ([source, "--out", out, "--smooth", "99"], "--smooth 99: give 0"),
        ([source, "--out", out, "--maps"], "--maps go into the lines of --jsonl"),
        ([source, "--out", out, "--max-pixels", "50"], "larger than --max-pixels 50"),
    ):
        refused(main, arguments, line)
        assert not out.exists()
    assert batches == []
    out.write_bytes(b"mine")
    refused(main, [source, "--out", out], "x.mp4 exists")
    assert out.read_bytes() == b"mine"
