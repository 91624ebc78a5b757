import copy
import json
from pathlib import Path

import pytest

from mmktn.utils.user_error import UserError
from tests.tool_modules import tool_module

REPO = Path(__file__).resolve().parents[2]


schema = tool_module("projects/benchmark/schema.py")
measure = tool_module("projects/benchmark/measure.py")


def _result(name: str, median: float, memory: float = 500.0) -> dict:
    return {
        "name": name,
        "mode": "branch",
        "device": "cpu",
        "size_hw": [480, 640],
        "seconds": {
            "median": median,
            "min": median,
            "max": median,
            "repeats": 1,
            "cpu_median": median,
        },
        "peak_rss_mb": memory,
        "peak_cuda_mb": None,
        "parameters": 5,
    }


def _report() -> dict:
    results = [_result("direct", 2.0, 1000.0), _result("ours", 1.0)]
    return measure.make_report("t.py", settings={}, results=results, baseline="direct")


def test_reports_of_the_tools_pass_and_survive_json():
    report = _report()
    schema.check_report(report)
    schema.check_report(json.loads(json.dumps(report)))


def test_ratios_refer_to_the_baseline():
    direct, ours = _report()["results"]
    assert direct["ratio_seconds"] == direct["ratio_peak_rss"] == 1.0
    assert ours["ratio_seconds"] == 0.5
    assert ours["ratio_peak_rss"] == 0.5


def test_other_modes_have_no_ratio():
    results = [_result("direct", 2.0), {**_result("ours", 1.0), "mode": "train"}]
    report = measure.make_report("t.py", settings={}, results=results, baseline="direct")
    assert report["results"][1]["ratio_seconds"] is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("commit",), None, "report.commit is a NoneType"),
        (("versions", "torch"), ..., "report.versions.torch is missing"),
        (("results", 0, "seconds", "median"), "1", r"results\[0\].seconds.median is a str"),
        (("results", 1, "parameters"), True, r"results\[1\].parameters is a bool"),
        (("results", 1, "seconds", "min"), 3.0, "min must be positive and at most the median"),
        (("baseline",), "nobody", "report.baseline 'nobody' is not among the results"),
        (("schema_version",), 2, "schema_version is 2"),
        (("hardware",), [], "report.hardware is a list, not a mapping"),
    ],
)
def test_first_wrong_field_is_named(path, value, message):
    report = copy.deepcopy(_report())
    node = report
    for key in path[:-1]:
        node = node[key]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    with pytest.raises(ValueError, match=message):
        schema.check_report(report)


def test_committed_reports_pass():
    for path in (REPO / "docs" / "results").glob("bench*_models*.json"):
        schema.check_report(json.loads(path.read_text()))
    for path in (REPO / "docs" / "results").glob("densepose_branch*.json"):
        schema.check_report(json.loads(path.read_text()))


def test_peak_memory_grows_with_a_large_array():
    import numpy as np

    before = measure.peak_rss_mb()
    block = np.ones(60_000_000, np.uint8)
    assert measure.peak_rss_mb() >= before
    assert block.sum() == 60_000_000
    assert measure.peak_rss_mb() > 60


def test_timing_counts_repeats_without_warm_up():
    import torch

    calls = []
    seconds = measure.time_calls(
        lambda: calls.append(1), repeats=3, warmup=2, device=torch.device("cpu")
    )
    assert len(calls) == 5
    assert seconds["repeats"] == 3
    assert 0 <= seconds["min"] <= seconds["median"] <= seconds["max"]


def test_failed_worker_is_named_with_its_last_words(tmp_path):
    script = tmp_path / "w.py"
    script.write_text("raise SystemExit('no such config')")
    with pytest.raises(UserError, match="tiny failed: no such config"):
        measure.run_worker(script, {"name": "tiny"}, threads=1)


def test_rounds_are_merged_to_the_middle_and_the_extremes():
    rounds = [
        _result("a", median, memory) for median, memory in ((3.0, 5.0), (1.0, 7.0), (2.0, 6.0))
    ]
    merged = measure.merge_rounds(rounds)
    assert merged["seconds"] == {
        "median": 2.0,
        "min": 1.0,
        "max": 3.0,
        "repeats": 3,
        "cpu_median": 2.0,
    }
    assert merged["peak_rss_mb"] == 7.0
