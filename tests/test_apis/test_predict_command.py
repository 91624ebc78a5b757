"""`python -m mmktn predict`: what is worked on, left out, named, and shared among processes."""

import io
import json
import tarfile
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmktn.__main__ import main as mmktn
from mmktn.apis import DensePoseInferencer, predict_command
from mmktn.apis.picture_stream import stream_pictures
from mmktn.apis.predict_command import main
from tests.command_line import refused
from tests.test_apis.fake_detector import FakeDetector


@pytest.fixture
def seen(monkeypatch, tmp_path):
    """Run on a detector that needs neither config nor weights; batches that it was given."""
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"the weights")
    batches = []

    class Watched(DensePoseInferencer):
        def predict(self, images, **kwargs):
            batches.append(len(images))
            return super().predict(images, **kwargs)

    monkeypatch.setattr(predict_command, "resolve_names", lambda *_: ("a.py", weights))
    monkeypatch.setattr(
        predict_command.apis, "open_inferencer", lambda *_, **__: Watched(FakeDetector())
    )
    return batches


def picture(path, value=200):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((20, 30, 3), value, np.uint8))
    return path


def folder_of(tmp_path, count=5):
    for index in range(count):
        picture(tmp_path / "in" / ("deep" if index % 2 else ".") / f"{index}.png", 100 + index)
    return tmp_path / "in"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def results(out):
    return sorted(p.relative_to(out).as_posix() for p in out.rglob("*.npz"))


def test_folders_are_gone_through_in_batches(seen, tmp_path, capsys):
    out = tmp_path / "out"
    args = ["predict", str(folder_of(tmp_path)), "--out", str(out), "--batch-size", "2"]
    assert mmktn(args) == 0
    assert results(out) == ["0.npz", "2.npz", "4.npz", "deep/1.npz", "deep/3.npz"]
    assert seen == [2, 2, 1]
    assert "5 predicted, 0 were finished before, 0 failed" in capsys.readouterr().out
    assert (out / "failures.jsonl").read_text() == ""
    assert mmktn(args) == 0
    assert seen == [2, 2, 1]
    assert "0 predicted, 5 were finished before" in capsys.readouterr().out


def test_only_what_is_finished_with_the_same_content_and_settings_is_left_out(seen, tmp_path):
    source, out = folder_of(tmp_path), tmp_path / "out"
    args = [str(source), "--out", str(out)]
    assert main(args) == 0
    del seen[:]
    picture(source / "0.png", 7)  # another content
    (out / "2.npz").unlink()
    picture(source / "9.png")
    assert main(args) == 0
    assert len(seen) == 3
    assert main([*args, "--score-thr", "0.5"]) == 1  # files of other settings stand there
    failures = lines(out / "failures.jsonl")
    assert len(failures) == 6
    assert "exists" in failures[0]["error"]
    assert main([*args, "--score-thr", "0.5", "--overwrite"]) == 0
    assert (out / "failures.jsonl").read_text() == ""


def test_what_an_interrupted_run_began_is_made_again(seen, tmp_path, monkeypatch):
    args = [str(folder_of(tmp_path)), "--out", str(tmp_path / "out"), "--save", "json", "npz"]
    save = predict_command.apis.save_prediction

    def interrupted(prediction, *positional, **kwargs):
        save(prediction, *positional, **kwargs | {"formats": ["json"]})
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(predict_command.apis, "save_prediction", interrupted)
        assert main(args) == 130
    with (tmp_path / "out" / "done.jsonl").open("a") as file:
        file.write('{"name": "cut in the mid')
    assert main(args) == 0
    assert len(results(tmp_path / "out")) == 5
    assert main(args) == 0
    assert len(seen) == 1 + 5


def test_failures_are_named_and_the_others_go_on(seen, tmp_path, capsys):
    source = folder_of(tmp_path)
    (source / "1.jpg").write_bytes(b"\xff\xd8 cut off")
    (tmp_path / "list.txt").write_text("# a list\nin/0.png\n\nin/gone.png\nin/deep/1.png\n")
    out = tmp_path / "out"
    assert main([str(source), str(tmp_path / "list.txt"), "--out", str(out)]) == 1
    failures = {entry["name"]: entry["error"] for entry in lines(out / "failures.jsonl")}
    assert failures == {
        "in/1.jpg": "is truncated or no image (no format that is known)",
        "gone.png": "no such file",
    }
    # The list and the folder hold two pictures twice; each has results of its own.
    assert len(results(out)) == 7
    shown = capsys.readouterr()
    assert "7 predicted, 0 were finished before, 2 failed" in shown.out
    assert "in/gone.png: skipped, no such file" in shown.err


def test_a_batch_that_does_not_fit_is_done_one_by_one(seen, tmp_path, monkeypatch):
    forward = predict_command._Run._predictions

    def small(self, batch):
        if len(batch) > 1 or batch[0].picture.name == "2.png":
            raise RuntimeError("out of memory")
        return forward(self, batch)

    monkeypatch.setattr(predict_command._Run, "_predictions", small)
    out = tmp_path / "out"
    assert main([str(folder_of(tmp_path)), "--out", str(out), "--batch-size", "5"]) == 1
    assert len(results(out)) == 4
    (failure,) = lines(out / "failures.jsonl")
    assert failure["error"] == "RuntimeError: out of memory"


def shard(path, names, tmp_path):
    with tarfile.open(path, "w") as archive:
        for name in names:
            data = picture(tmp_path / "one.png", 50 + len(name)).read_bytes()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_archives_are_read_and_damaged_ones_named(seen, tmp_path):
    first = shard(tmp_path / "a.tar", ["x/1.png", "../../2.png", "x/note.txt"], tmp_path)
    second = shard(tmp_path / "b.tar", ["1.png", "2.png"], tmp_path)
    second.write_bytes(second.read_bytes()[:700])
    (tmp_path / "c.tar").write_bytes(b"no archive")
    out = tmp_path / "deep" / "out"
    inputs = [first, second, tmp_path / "c.tar"]
    assert main([*map(str, inputs), "--out", str(out)]) == 1
    assert results(out) == ["a/2.npz", "a/x/1.npz", "b/1.npz"]
    failures = lines(out / "failures.jsonl")
    assert {entry["source"] for entry in failures} >= {str(tmp_path / "c.tar")}
    assert any(entry["source"].startswith(str(second)) for entry in failures)
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix == ".npz") == []


def test_patterns_and_names_that_meet(tmp_path):
    source = folder_of(tmp_path)
    picture(source / "0.jpg")
    names = [p.name for p in stream_pictures([str(source / "**" / "*.png")])]
    assert names == ["0.png", "2.png", "4.png", "deep/1.png", "deep/3.png"]
    names = [p.name for p in stream_pictures([str(source / "0.png"), str(source / "0.jpg")])]
    assert names == ["0.png", "0_2.jpg"]
    everything = [p.name for p in stream_pictures([str(source)])]
    shares = [[p.name for p in stream_pictures([str(source)], share=(n, 3))] for n in range(3)]
    assert [name for turn in zip(*shares, strict=True) for name in turn] == everything


def test_processes_share_the_pictures_and_know_what_the_others_did(seen, tmp_path, monkeypatch):
    args = [str(folder_of(tmp_path)), "--out", str(tmp_path / "out"), "--launcher", "pytorch"]
    for number in (1, 0):
        for name, value in (("RANK", number), ("WORLD_SIZE", 2), ("LOCAL_RANK", number)):
            monkeypatch.setenv(name, str(value))
        assert main(args) == 0
    assert len(seen) == 5
    assert len(results(tmp_path / "out")) == 5
    assert len(list((tmp_path / "out").glob("failures-*-of-2.jsonl"))) == 2
    assert main(args[:-2]) == 0  # one process alone: nothing is left to do
    assert len(seen) == 5
    assert [p.name for p in (tmp_path / "out").glob("failures*")] == ["failures.jsonl"]
    monkeypatch.setenv("RANK", "2")
    refused(main, args, "RANK=2, WORLD_SIZE=2")
    monkeypatch.delenv("RANK")
    refused(main, args, "are not all set; start it with torchrun")


def test_mistakes_are_named_before_anything_is_done(seen, tmp_path):
    source = folder_of(tmp_path)
    refused(main, [tmp_path / "none", "--out", tmp_path / "out"], "none: no such file or folder")
    refused(main, [source, "--out", source / "out"], "lies in the input")
    refused(main, [source, "--out", source / "0.png"], "is a file")
    (tmp_path / "empty").mkdir()
    refused(main, [tmp_path / "empty", "--out", tmp_path / "out"], "no pictures in what was given")
    refused(main, [source / "0.png", "--out", source, "--save", "iuv"], "what failed stands in")
    assert not list(source.glob("*_IUV.png"))
    assert seen == [1]


def test_a_config_without_weights_is_refused(tmp_path):
    config = Path(__file__).parents[2] / "configs/densepose/densepose-rcnn_r18_fpn_cpu_dp-synth.py"
    args = [picture(tmp_path / "a.png"), "--out", tmp_path / "out", "--model", config]
    refused(main, args, "is a config: give its weights with --checkpoint")


def test_memory_does_not_grow_with_the_number_of_pictures(seen, tmp_path):
    """A thousand pictures of one archive; what is held at the end is what was held after 100."""
    data = picture(tmp_path / "one.png").read_bytes() + bytes(20_000)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for index in range(1000):
            info = tarfile.TarInfo(f"{index}.png")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    stream = stream_pictures([str(tmp_path / "a.tar")])
    tracemalloc.start()
    held = []
    for entry in stream:
        assert len(entry.data) == len(data)
        if entry.index in (100, 999):
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[1] - held[0] < 10 * len(data)
