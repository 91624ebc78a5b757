"""`python -m mmktn doctor`: what is installed, in use, missing, and what to do about it."""

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mmktn import doctor_checks as checks
from mmktn.version import __version__

if TYPE_CHECKING:
    from rich.console import Console

_MARKS = {
    checks.OK: ("ok", "green"),
    checks.NOTE: ("note", "yellow"),
    checks.WRONG: ("WRONG", "bold red"),
}


def diagnose(root: Path) -> list[checks.Finding]:
    """Run every check.

    Args:
        root: Folder whose `data` folder is looked at.

    Returns:
        The findings in the order of the report.
    """
    return [
        *checks.check_versions(),
        *checks.check_libraries(),
        *checks.check_opencv(),
        *checks.check_imports(),
        *checks.check_operators(),
        *checks.check_repairs(),
        *checks.check_devices(),
        *checks.check_extras(),
        *checks.check_data(root),
    ]


def report_plainly(findings: Sequence[checks.Finding]) -> str:
    """Write the findings as lines, for an environment without rich.

    Args:
        findings: What `diagnose` returned.

    Returns:
        The text.
    """
    lines = [
        f"{_MARKS[finding.state][0]:<6} {finding.name}: {finding.text}"
        + (f"  -> {finding.advice}" if finding.advice else "")
        for finding in findings
    ]
    return "\n".join([f"mmktn {__version__}", *lines])


def report(findings: Sequence[checks.Finding], console: "Console") -> None:
    """Draw the findings as one table and close with a line on the whole.

    Args:
        findings: What `diagnose` returned.
        console: Where to draw.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"mmktn {__version__}", box=None, pad_edge=False, title_justify="left")
    table.add_column("", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("found; what to do")
    section = ""
    for finding in findings:
        mark, style = _MARKS[finding.state]
        text = Text(finding.text)
        if finding.advice:
            text.append(f"  -> {finding.advice}", style=style if finding.state != "ok" else "")
        heading = "" if finding.section == section else finding.section
        section = finding.section
        table.add_row(Text(heading, style="bold"), finding.name, Text(mark, style=style), text)
    console.print(table)
    wrong = [finding for finding in findings if finding.state == checks.WRONG]
    if wrong:
        names = ", ".join(finding.name for finding in wrong)
        console.print(f"\n{len(wrong)} needed and missing or broken: {names}", style="bold red")
    else:
        console.print("\nEverything that is needed is here.", style="green")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments without the program name, None for those of the process.

    Returns:
        0, or 1 when something needed is missing.
    """
    parser = argparse.ArgumentParser(
        prog="python -m mmktn doctor",
        description="Show versions, operators, devices, extras and data, and what is missing.",
    )
    parser.add_argument(
        "--root", type=Path, default=Path(), help="folder that holds data/ (default: this one)"
    )
    args = parser.parse_args(argv)
    # The hosts' own warnings on import would tear the table apart.
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        findings = diagnose(args.root)
    logging.disable(logging.NOTSET)
    if find_spec("rich") is None:
        sys.stdout.write(report_plainly(findings) + "\n")
    else:
        from rich.console import Console

        report(findings, Console())
    return int(any(finding.state == checks.WRONG for finding in findings))
