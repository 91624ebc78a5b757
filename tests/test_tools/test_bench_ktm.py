"""The benchmark of KTM's forms runs, at a small size, and its report is complete."""

import importlib
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "projects" / "benchmark"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    module = importlib.import_module("bench_ktm")
    # In this process: its peak memory is then no figure of a variant, but the test is quick.
    measure = importlib.import_module("measure")
    monkeypatch.setattr(measure, "run_worker", lambda _script, job, threads: module.work(job))
    return module


def test_forms_are_measured_beside_the_original(bench, tmp_path):
    out = tmp_path / "report.json"
    arguments = ["--variants", "full", "grouped-16", "--channels", "16", "--rois", "2"]
    arguments += ["--size", "4", "--repeats", "1", "--threads", "1", "--out", str(out)]
    assert bench.main(arguments) == 0
    full, grouped = json.loads(out.read_text())["results"]
    assert full["ratio_parameters"] == full["ratio_seconds"] == 1
    # Rows of 16 x 4 x 4 and boxes of 1024: the matrices shrink to a sixteenth, biases and plain
    # maps stay.
    matrices = (2 * 256 + 1024) * 256 + 256 * 256
    assert grouped["parameters"] == full["parameters"] - matrices * 15 // 16
