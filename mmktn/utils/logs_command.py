"""Curves and timing of training logs (`vis_data/scalars.json` of a work dir).

Usage: python -m mmktn logs plot LOG_OR_WORK_DIR... --keys loss [--out F.png]
       python -m mmktn logs time LOG_OR_WORK_DIR...
"""

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, replace_atomically_by_name
from mmktn.utils.user_error import UserError, one_line_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    plot = commands.add_parser("plot", help="draw values over iterations")
    plot.add_argument("logs", nargs="+", type=Path)
    plot.add_argument("--keys", nargs="+", default=["loss"], help="which values, e.g. loss loss_u")
    plot.add_argument("--out", type=Path, default=Path("curves.png"))
    plot.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    time = commands.add_parser("time", help="seconds per iteration")
    time.add_argument("logs", nargs="+", type=Path)
    return parser.parse_args(argv)


def find_log(path: Path) -> Path:
    """Return the scalars file itself, or the newest one below a work dir.

    Raises:
        FileNotFoundError: There is none.
    """
    if path.is_file():
        return path
    found = sorted(path.glob("**/vis_data/scalars.json"))
    if not found:
        raise FileNotFoundError(f"{path}: no vis_data/scalars.json in there")
    return found[-1]


def read_log(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the values of a log as (step, value) by key.

    Raises:
        UserError: A line is not a JSON object; the message gives its number.
    """
    values: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}:{number}: not a line of JSON ({error})") from error
        if not isinstance(entry, dict):
            raise UserError(f"{path}:{number}: not an entry of a log, which is a JSON object")
        step: Any = entry.get("step", entry.get("iter", number))
        for key, value in entry.items():
            if isinstance(value, int | float) and key not in ("step", "iter", "epoch"):
                values[key].append((step, value))
    return values


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file; give vis_data/scalars.json") from error


def plot_curves(logs: list[Path], keys: list[str], out: Path) -> None:
    """Draw one curve a log and key.

    Raises:
        UserError: A log has no such key; the message lists its keys.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5))
    for path in logs:
        values = read_log(path)
        for key in keys:
            if key not in values:
                raise UserError(f"{path}: no {key!r}; it has {', '.join(sorted(values))}")
            steps, numbers = zip(*values[key], strict=True)
            axes.plot(steps, numbers, label=f"{path.parts[-4:-2][0]} {key}", linewidth=1)
    axes.set_xlabel("iteration")
    axes.legend()
    axes.grid(alpha=0.3)
    with replace_atomically_by_name(out) as name:
        figure.savefig(name, dpi=120)
    plt.close(figure)


def time_line(path: Path) -> str:
    """Return one line: median and extremes of the seconds per iteration.

    Raises:
        UserError: The log has no times.
    """
    values = read_log(path)
    if "time" not in values:
        raise UserError(f"{path}: no 'time' in the log")
    seconds = [value for _, value in values["time"]]
    return (
        f"{path}: {len(seconds)} entries, median {statistics.median(seconds):.4f} s per iteration, "
        f"fastest {min(seconds):.4f}, slowest {max(seconds):.4f}"
    )


@one_line_errors("logs")
def main(argv: list[str] | None = None) -> None:
    """Run a command."""
    args = parse_args(argv)
    logs = [find_log(path) for path in args.logs]
    if args.command == "plot":
        plot_curves(logs, args.keys, claim_output(args.out, inputs=logs, overwrite=args.overwrite))
        print(args.out)
    else:
        for path in logs:
            print(time_line(path))
