"""Run the test suites of mmcv, mmdet and mmpose on top of the stand-ins of mmktn.compat.

The suites come from a folder of yours with source checkouts (or any other copies of tests): one
folder for each suite, for example

    python tools/dev/peer_suites.py ~/checkouts --suite mmcv=mmcv/tests/test_ops \
        --suite mmdet=mmdetection/tests/test_models/test_roi_heads

A suite runs in a process of its own, in its checkout, but with the installed package: the checkout
gives the tests alone. The table counts outcomes; below it stand the reasons of what did not pass,
most frequent first. The exit status is 1 when something failed.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from mmktn.utils.user_error import one_line_errors

ROOT = Path(__file__).resolve().parents[2]
SUITES = {
    "mmcv operators": "mmcv/tests/test_ops",
    "mmdet RoI heads": "mmdetection/tests/test_models/test_roi_heads",
    "mmdet detectors": "mmdetection/tests/test_models/test_detectors",
    "mmdet layers": "mmdetection/tests/test_models/test_layers",
    "mmpose evaluation": "mmpose/tests/test_evaluation",
    "mmpose data": "mmpose/tests/test_datasets",
    "mmpose heads": "mmpose/tests/test_models/test_heads",
    "mmpose inferencers": "mmpose/tests/test_apis/test_inferencers",
}
OUTCOMES = ("passed", "failed", "error", "skipped")


@dataclass
class Outcome:
    """What a suite did: counts by outcome, and (test, reason) of everything that did not pass."""

    counts: Counter = field(default_factory=Counter)
    reasons: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    problem: str = ""


def read_report(file: Path) -> Outcome:
    """Count a JUnit report of pytest and collect first lines of its messages."""
    outcome = Outcome()
    for case in ElementTree.parse(file).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        kind, reason = "passed", ""
        for child in case:
            if child.tag in ("failure", "error", "skipped"):
                kind = {"failure": "failed"}.get(child.tag, child.tag)
                reason = first_line(child.get("message") or child.text or "")
        outcome.counts[kind] += 1
        outcome.reasons.setdefault(kind, []).append((name, reason))
    return outcome


def first_line(text: str) -> str:
    """Shorten a message to one line that can be compared with others."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    # Addresses of objects would make equal reasons different.
    return re.sub(r"0x[0-9a-f]+", "0x...", line.strip())[:200]


def suite_command(tests: Path, home: Path, report: Path) -> list[str]:
    """Return the pytest command for one suite; `-p mmktn` imports mmktn before any test.

    The checkout's own pytest settings may name plugins that nobody has, so they are left out.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-p", "mmktn", "-p", "no:cacheprovider"]
    command += ["-c", os.devnull, f"--rootdir={home}", f"--junitxml={report}"]
    return [*command, "--continue-on-collection-errors", "--import-mode=importlib", str(tests)]


def run_suite(tests: Path, timeout: int) -> Outcome:
    """Run one suite in the folder above its tests, so that its data files are found."""
    if not tests.exists():
        return Outcome(problem="not there")
    # The checkout is the folder above the outermost one called tests.
    tops = [above for above in (tests, *tests.parents) if above.name == "tests"]
    home = tops[-1].parent if tops else tests.parent
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "MMKTN_FORCE_STANDINS": "1"}
        try:
            done = subprocess.run(
                suite_command(tests, home, report),
                cwd=home,
                env=environment,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome(problem=f"not done after {timeout} s")
        if not report.exists():
            return Outcome(problem=first_line(done.stderr or done.stdout))
        return read_report(report)


def table(outcomes: dict[str, Outcome]) -> str:
    """Make a Markdown table: one row for each suite."""
    lines = [f"| suite | {' | '.join(OUTCOMES)} |", f"| --- |{' --- |' * len(OUTCOMES)}"]
    for name, outcome in outcomes.items():
        cells = [str(outcome.counts[kind]) for kind in OUTCOMES]
        if outcome.problem:
            cells = [outcome.problem, *[""] * (len(OUTCOMES) - 1)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def explain(outcomes: dict[str, Outcome]) -> str:
    """List the reasons of what did not pass, most frequent first, with one test for each."""
    lines = []
    for name, outcome in outcomes.items():
        for kind in OUTCOMES[1:]:
            entries = outcome.reasons.get(kind, [])
            frequency = Counter(reason for _, reason in entries)
            for reason, count in frequency.most_common():
                example = next(test for test, other in entries if other == reason)
                lines.append(f"{name}: {count} {kind}: {reason}\n    such as {example}")
    return "\n".join(lines)


def parse_suites(entries: list[str], parser: argparse.ArgumentParser) -> dict[str, str]:
    """Read NAME=FOLDER entries; none of them means all the known ones."""
    suites = {}
    for entry in entries:
        name, separator, folder = entry.partition("=")
        if not (name and separator and folder):
            parser.error(f"--suite {entry}: expected NAME=FOLDER")
        suites[name] = folder
    return suites or SUITES


@one_line_errors("peer_suites")
def main(argv: list[str] | None = None) -> int:
    """Run the suites and print the table and the reasons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder that holds the checkouts")
    parser.add_argument(
        "--suite",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="tests below the folder; may be given several times. Default: "
        + ", ".join(SUITES.values()),
    )
    parser.add_argument("--timeout", type=int, default=1800, help="seconds for one suite")
    args = parser.parse_args(argv)
    if not args.folder.is_dir():
        parser.error(f"{args.folder} is no folder")
    suites = parse_suites(args.suite, parser)
    outcomes = {
        name: run_suite(args.folder.resolve() / tests, args.timeout)
        for name, tests in suites.items()
    }
    print(table(outcomes))
    print(explain(outcomes))
    ran = [outcome for outcome in outcomes.values() if not outcome.problem]
    failed = any(outcome.counts["failed"] + outcome.counts["error"] for outcome in ran)
    # Of the known suites a folder may hold some; a suite that was asked for has to run.
    incomplete = not ran or (bool(args.suite) and len(ran) < len(outcomes))
    return int(failed or incomplete)


if __name__ == "__main__":
    sys.exit(main())
