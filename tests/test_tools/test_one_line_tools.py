"""Experiments, benchmarks, the quick start: wrong input is one line, what is not theirs stays."""

import json
import sys
from pathlib import Path

import pytest

from mmktn import __main__ as commands
from mmktn.utils.user_error import UserError
from tests.command_line import refused
from tests.tool_modules import tool_module

ROOT = Path(__file__).parents[2]
FOREIGN = {
    "a COCO file": '{"images": [], "annotations": []}',
    "runs of another kind": '{"results": [1], "students": {}}',
    "a list": "[]",
    "no JSON": "x",
    "nested too deeply": "[" * 10**5,
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize(
    "tool", ["densepose_ablation", "stip_ablation", "distillation_experiment", "head_twins"]
)
def test_experiments_go_on_with_files_of_their_own_alone(tool, kind, tmp_path):
    main = tool_module(f"projects/ablations/{tool}.py").main
    file = tmp_path / "results.json"
    file.write_text(FOREIGN[kind])
    place = {
        "distillation_experiment": ["--work-dir", tmp_path],
        "head_twins": ["--work-dir", tmp_path / "work", "--out", file, "--show"],
    }.get(tool, ["--out", file, "--show"])
    refused(main, place, str(file))
    assert file.read_text() == FOREIGN[kind]


def test_an_experiment_is_not_mixed_with_another(tmp_path):
    main = tool_module("projects/ablations/distillation_experiment.py").main
    stored = json.dumps({"students": [], "settings": {"student": "another"}})
    (tmp_path / "results.json").write_text(stored)
    refused(main, ["--work-dir", tmp_path], "give another --work-dir")
    assert (tmp_path / "results.json").read_text() == stored


def test_missing_labels_are_named(tmp_path):
    main = tool_module("projects/ablations/dense_label_errors.py").main
    refused(main, [tmp_path / "no", tmp_path / "none"], "dense_label_errors: .*no")


def test_missing_sample_is_named(monkeypatch, tmp_path):
    main = tool_module("projects/ablations/stip_overfit.py").main
    monkeypatch.setenv("MMKTN_REAL_DATA", str(tmp_path / "no"))
    refused(main, ["coco", "--work-dir", tmp_path / "w"], "set MMKTN_REAL_DATA")
    assert not (tmp_path / "w").exists()


BENCHES = ["bench_densepose_branch", "bench_ktm", "bench_metric", "bench_stip"]


@pytest.mark.parametrize("tool", [*BENCHES, "benchmark_models"])
def test_benchmarks_replace_nothing_untold(tool, tmp_path):
    main = tool_module(f"projects/benchmark/{tool}.py").main
    file = tmp_path / "mine.json"
    file.write_text("mine")
    configs = ["any.py"] if tool == "benchmark_models" else []
    refused(main, [*configs, "--out", file], f"{tool}: .*mine.json.*--overwrite")
    refused(main, [*configs, "--out", tmp_path], "is a folder")
    assert file.read_text() == "mine"


def test_quick_start_looks_before_it_renders(monkeypatch, tmp_path):
    train_demo = tool_module("tools/train_demo.py")
    monkeypatch.setattr(train_demo, "make_data", lambda args: pytest.fail("rendered"))
    place = ["--data", tmp_path / "data", "--work-dir", tmp_path / "w"]
    refused(train_demo.main, ["--config", tmp_path / "no.py", *place], "config not found")
    (tmp_path / "file").write_text("mine")
    refused(train_demo.main, ["--work-dir", tmp_path / "file"], "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("error", [UserError("no such [/b] file"), KeyError("x"), MemoryError()])
def test_commands_of_the_package_end_with_one_line(error, monkeypatch, capsys):
    def fail(argv):
        raise error

    monkeypatch.setattr(sys.modules[__name__], "fail_now", fail, raising=False)
    monkeypatch.setitem(commands.COMMANDS, "fails", (f"{__name__}:fail_now", "fails"))
    assert commands.main(["fails"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fails: ")
