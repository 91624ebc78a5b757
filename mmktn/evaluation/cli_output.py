"""What the `evaluate` command shows: progress bar, tables, reasons, JSON."""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from mmktn.evaluation.functional.ap.average_precision import Column
from mmktn.evaluation.functional.densepose.pointwise import PointwiseScores
from mmktn.evaluation.functional.densepose.scores import DensePoseScores
from mmktn.evaluation.text_table import percent, reasons, split_columns
from mmktn.utils.output_files import write_json
from mmktn.version import __version__

# Narrower terminals break lines; rich would cut the numbers instead.
TABLE_WIDTH = 120


@dataclass
class Outcome:
    """Everything an evaluation found.

    Attributes:
        columns: ``"gps/AP"`` ... to value and reason.
        notes: Sentences on what was left out and why.
        dense: Dense-pose scores, if they were asked for.
        pointwise: Pointwise scores, if they were asked for.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    dense: DensePoseScores | None = None
    pointwise: PointwiseScores | None = None

    def add_notes(self, notes: Sequence[str]) -> None:
        """Add the notes that are not there yet."""
        self.notes += [note for note in notes if note not in self.notes]


@contextmanager
def progress_bar(console: Console, text: str, *, quiet: bool) -> Any:
    """Progress bar as a ``(done, total)`` callback; None when quiet."""
    if quiet:
        yield None
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task(text, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance


def print_outcome(outcome: Outcome, args: argparse.Namespace, console: Console) -> None:
    """Print tables, reasons for gaps and notes.

    Args:
        outcome: The numbers.
        args: Parsed arguments.
        console: Where to print.
    """
    parts = []
    if outcome.dense is not None:
        parts.append(f"protocol '{args.protocol}'")
    if outcome.dense is not None or outcome.pointwise is not None:
        parts.append(f"surface {args.surface}")
    console.print("; ".join(["percent", *parts]), markup=False, highlight=False, soft_wrap=True)
    _, rows = split_columns(outcome.columns)
    by_heads: dict[tuple[str, ...], dict[str, dict[str, Column]]] = {}
    for name, cells in rows.items():
        for heads in _head_groups(list(cells)):
            by_heads.setdefault(heads, {})[name] = cells
    for heads, group in by_heads.items():
        table = Table()
        table.add_column("")
        for head in heads:
            table.add_column(Text(head), justify="right")
        for name, cells in group.items():
            table.add_row(Text(name), *(percent(cells[head]) for head in heads))
        console.print(table)
    for text in reasons(outcome.columns):
        console.print(f"  - means: {text}", markup=False, highlight=False, soft_wrap=True)
    for text in outcome.notes:
        console.print(f"  note: {text}", markup=False, highlight=False, soft_wrap=True)


def _head_groups(heads: list[str]) -> list[tuple[str, ...]]:
    """Split long rows: first the plain columns, then those of each crowdIndex split."""
    groups: dict[str, list[str]] = {}
    for head in heads:
        groups.setdefault(
            head.rpartition("_")[2] if "-" in head and "_" in head else "", []
        ).append(head)
    return [tuple(group) for group in groups.values()]


def write_outcome(outcome: Outcome, args: argparse.Namespace, seconds: float) -> None:
    """Write the numbers.

    Args:
        outcome: The numbers.
        args: Parsed arguments.
        seconds: Time they took.
    """
    content: Mapping[str, Any] = {
        "mmktn": __version__,
        "gt": str(args.gt),
        "results": str(args.results),
        "surface": str(args.surface),
        "protocol": args.protocol,
        "unit": "fraction; -1 is undefined, see reasons",
        "values": {name: column.value for name, column in outcome.columns.items()},
        "reasons": {n: c.reason for n, c in outcome.columns.items() if c.reason},
        "notes": outcome.notes,
        "seconds": round(seconds, 3),
    }
    write_json(args.out, content, indent=1)
