"""What a benchmark report has to contain, and a check that names the first thing wrong.

Every tool of this folder writes the same frame: which code, versions, machine and settings, then a
list of measurements. A report that lacks one of these cannot be compared with anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCHEMA_VERSION = 1

_NUMBER = (int, float)
_OPTIONAL_NUMBER = (int, float, type(None))

SECONDS: dict[str, Any] = {"median": _NUMBER, "min": _NUMBER, "max": _NUMBER, "repeats": int}
"""Of one call; `cpu_median` (CPU seconds of all threads) may be there too."""
MEASUREMENT: dict[str, Any] = {
    "name": str,
    "mode": str,
    "device": str,
    "seconds": SECONDS,
    "peak_rss_mb": _NUMBER,
    "peak_cuda_mb": _OPTIONAL_NUMBER,
    "parameters": int,
    "ratio_seconds": _OPTIONAL_NUMBER,
    "ratio_peak_rss": _OPTIONAL_NUMBER,
}
REPORT: dict[str, Any] = {
    "schema_version": int,
    "tool": str,
    "date": str,
    "commit": str,
    "dirty": bool,
    "versions": {"python": str, "mmktn": str, "torch": str, "numpy": str},
    "hardware": {"cpu": str, "cores": int, "threads": int, "memory_gb": _NUMBER, "gpu": str},
    "settings": dict,
    "baseline": (str, type(None)),
    "results": list,
}


def check_report(report: Any) -> None:
    """Check a report of `benchmark_models.py` or `bench_densepose_branch.py`.

    Args:
        report: What `json.load` gave.

    Raises:
        ValueError: A field is missing or of the wrong type; the message gives its path.
    """
    _check(report, REPORT, "report")
    if report["schema_version"] != SCHEMA_VERSION:
        raise ValueError(
            f"report.schema_version is {report['schema_version']}; this tool knows {SCHEMA_VERSION}"
        )
    for index, result in enumerate(report["results"]):
        path = f"report.results[{index}]"
        _check(result, MEASUREMENT, path)
        if not 0 < result["seconds"]["min"] <= result["seconds"]["median"]:
            raise ValueError(f"{path}.seconds: min must be positive and at most the median")
    names = {result["name"] for result in report["results"]}
    if report["baseline"] is not None and report["baseline"] not in names:
        raise ValueError(f"report.baseline {report['baseline']!r} is not among the results")


def _check(value: Any, expected: Any, path: str) -> None:
    if isinstance(expected, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError(f"{path} is a {type(value).__name__}, not a mapping")
        for key, inner in expected.items():
            if key not in value:
                raise ValueError(f"{path}.{key} is missing")
            _check(value[key], inner, f"{path}.{key}")
        return
    # bool is an int in Python; a flag where a number belongs is a mistake.
    wrong_bool = isinstance(value, bool) and expected is not bool
    if wrong_bool or not isinstance(value, expected):
        raise ValueError(f"{path} is a {type(value).__name__}: {value!r}")
