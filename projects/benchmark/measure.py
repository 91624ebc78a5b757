"""Time, memory and surroundings of a measurement.

Peak memory is that of the whole process, so each measurement belongs into a process of its own
(`run_worker`): imports and weights count, as they do for a user.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import mmktn
from mmktn.utils.output_files import OVERWRITE_HELP
from mmktn.utils.user_error import UserError

REPO = Path(__file__).resolve().parents[2]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what every comparison of variants in processes of their own asks for."""
    parser.add_argument("--repeats", type=int, default=5, help="timed calls per round")
    parser.add_argument("--rounds", type=int, default=1, help="processes per variant, in turns")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="write the report as JSON")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    parser.add_argument("--worker", help=argparse.SUPPRESS)


def time_calls(
    call: Callable[[], Any], *, repeats: int, warmup: int, device: torch.device
) -> dict[str, Any]:
    """Wall-clock seconds of a call; the GPU is waited for.

    Args:
        call: What to time.
        repeats: Timed calls.
        warmup: Calls before them.
        device: Where the work happens.

    Returns:
        Median, min, max, number of repeats, and the median of the CPU time of all threads: the
        fairer number on a machine that others use too.
    """
    seconds, cpu_seconds = [], []
    for index in range(warmup + repeats):
        _synchronise(device)
        start, cpu_start = time.perf_counter(), time.process_time()
        call()
        _synchronise(device)
        if index >= warmup:
            seconds.append(time.perf_counter() - start)
            cpu_seconds.append(time.process_time() - cpu_start)
    return {
        "median": round(statistics.median(seconds), 5),
        "min": round(min(seconds), 5),
        "max": round(max(seconds), 5),
        "repeats": repeats,
        "cpu_median": round(statistics.median(cpu_seconds), 5),
    }


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far, in MB (10^6 bytes).

    Linux: VmHWM, which unlike `getrusage` does not count the parent before exec.
    """
    peak = _linux_status_mb("VmHWM")
    if peak is not None:
        return peak
    import resource

    scale = 1 if platform.system() == "Darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6, 1)


def current_rss_mb() -> float | None:
    """Resident memory of this process now, in MB; None where Linux's /proc is missing."""
    return _linux_status_mb("VmRSS")


def measure_in_turns(
    script: Path, names: Sequence[str], settings: dict[str, Any], *, rounds: int, threads: int
) -> list[dict[str, Any]]:
    """Measure variants in turns, which is fairer on a machine that others use too.

    Args:
        script: As `run_worker` takes it.
        names: Variants.
        settings: The rest of each job.
        rounds: Processes per variant.
        threads: OMP threads of a process.

    Returns:
        One merged result per variant.

    Raises:
        UserError: A worker failed.
    """
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(rounds):
        for name, results in measured.items():
            print(f"round {number + 1}: {name} ...", file=sys.stderr, flush=True)
            results.append(run_worker(script, {"name": name, **settings}, threads=threads))
    return [merge_rounds(results) for results in measured.values()]


def merge_rounds(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """One result of several processes: median of medians, extremes of extremes."""
    merged = dict(rounds[0])
    seconds = [result["seconds"] for result in rounds]
    merged["seconds"] = {
        "median": statistics.median(each["median"] for each in seconds),
        "min": min(each["min"] for each in seconds),
        "max": max(each["max"] for each in seconds),
        "repeats": sum(each["repeats"] for each in seconds),
        "cpu_median": statistics.median(each["cpu_median"] for each in seconds),
    }
    merged["peak_rss_mb"] = max(result["peak_rss_mb"] for result in rounds)
    return merged


def peak_cuda_mb(device: torch.device) -> float | None:
    """Largest memory that PyTorch allocated on the GPU so far, in MB; None on the CPU."""
    if device.type != "cuda":
        return None
    return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)


def make_report(
    tool: str,
    *,
    settings: dict[str, Any],
    results: list[dict[str, Any]],
    baseline: str | None = None,
) -> dict[str, Any]:
    """Frame measurements with code, versions and machine, and add ratios to the baseline.

    Args:
        tool: Name of the script.
        settings: What was asked for.
        results: Measurements.
        baseline: Name of the measurement that the ratios refer to (same mode and size).
    """
    _add_ratios(results, baseline)
    return {
        "schema_version": 1,
        "tool": tool,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "versions": _versions(),
        "hardware": _hardware(),
        "settings": settings,
        "baseline": baseline,
        "results": results,
    }


def run_worker(script: Path, job: dict[str, Any], *, threads: int) -> dict[str, Any]:
    """Run one measurement in a fresh process: `script --worker <job as JSON>`.

    Args:
        script: Script that prints its result as JSON in its last line.
        job: What to measure.
        threads: OMP threads of the process.

    Raises:
        UserError: The worker failed; the message ends with its last lines.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, str(script), "--worker", json.dumps(job)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stderr.strip().splitlines()[-2:])
        raise UserError(f"{job.get('name', job)} failed: {tail}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def _add_ratios(results: list[dict[str, Any]], baseline: str | None) -> None:
    """Ratio of time and memory to the baseline's measurement of the same mode and size."""
    for result in results:
        same = [
            other
            for other in results
            if other["name"] == baseline
            and all(other.get(key) == result.get(key) for key in ("mode", "size_hw", "device"))
        ]
        result["ratio_seconds"] = result["ratio_peak_rss"] = None
        if same:
            reference = same[0]
            ratio = result["seconds"]["median"] / reference["seconds"]["median"]
            result["ratio_seconds"] = round(ratio, 3)
            result["ratio_peak_rss"] = round(result["peak_rss_mb"] / reference["peak_rss_mb"], 3)


def _linux_status_mb(key: str) -> float | None:
    """A memory line of /proc/self/status in MB; None on other systems."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    line = next(row for row in status.read_text().splitlines() if row.startswith(key))
    return round(int(line.split()[1]) * 1024 / 1e6, 1)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _git(*arguments: str) -> str:
    """Output of git in the repository; empty outside of one."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=REPO, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _versions() -> dict[str, str]:
    versions = {
        "python": platform.python_version(),
        "mmktn": mmktn.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    for name in ("mmengine", "mmcv", "mmdet"):
        module = sys.modules.get(name) or __import__(name)
        versions[name] = module.__version__
    return versions


def _hardware() -> dict[str, Any]:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [row for row in info.read_text().splitlines() if row.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": cpu,
        "cores": cores or 1,
        "threads": int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())),
        "memory_gb": round(memory, 1),
        "gpu": gpu,
    }
