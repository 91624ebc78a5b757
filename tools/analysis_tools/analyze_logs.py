"""Curves and timing of training logs (`vis_data/scalars.json` of a work dir).

Usage: python tools/analysis_tools/analyze_logs.py plot LOG_OR_WORK_DIR... --keys loss [--out F.png]
       python tools/analysis_tools/analyze_logs.py time LOG_OR_WORK_DIR...
"""

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    plot = commands.add_parser("plot", help="draw values over iterations")
    plot.add_argument("logs", nargs="+", type=Path)
    plot.add_argument("--keys", nargs="+", default=["loss"], help="which values, e.g. loss loss_u")
    plot.add_argument("--out", type=Path, default=Path("curves.png"))
    time = commands.add_parser("time", help="seconds an iteration")
    time.add_argument("logs", nargs="+", type=Path)
    return parser.parse_args(argv)


def find_log(path: Path) -> Path:
    """The scalars file itself, or the newest one below a work dir.

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
    """Values of a log as (step, value) by key.

    Raises:
        ValueError: A line is not JSON; the message gives its number.
    """
    values: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{number}: not a line of JSON ({error})") from error
        step = entry.get("step", entry.get("iter", number))
        for key, value in entry.items():
            if isinstance(value, int | float) and key not in ("step", "iter", "epoch"):
                values[key].append((step, value))
    return values


def plot_curves(logs: list[Path], keys: list[str], out: Path) -> None:
    """Draw one curve a log and key.

    Raises:
        KeyError: A log has no such key; the message lists its keys.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5))
    for path in map(find_log, logs):
        values = read_log(path)
        for key in keys:
            if key not in values:
                raise KeyError(f"{path}: no {key!r}; it has {', '.join(sorted(values))}")
            steps, numbers = zip(*values[key], strict=True)
            axes.plot(steps, numbers, label=f"{path.parts[-4:-2][0]} {key}", linewidth=1)
    axes.set_xlabel("iteration")
    axes.legend()
    axes.grid(alpha=0.3)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)
    plt.close(figure)


def time_line(path: Path) -> str:
    """One line: median and extremes of the seconds per iteration.

    Raises:
        KeyError: The log has no times.
    """
    values = read_log(path)
    if "time" not in values:
        raise KeyError(f"{path}: no 'time' in the log")
    seconds = [value for _, value in values["time"]]
    return (
        f"{path}: {len(seconds)} entries, median {statistics.median(seconds):.4f} s an iteration, "
        f"fastest {min(seconds):.4f}, slowest {max(seconds):.4f}"
    )


def main(argv: list[str] | None = None) -> None:
    """Run a command."""
    args = parse_args(argv)
    try:
        if args.command == "plot":
            plot_curves(args.logs, args.keys, args.out)
            print(args.out)
        else:
            for path in map(find_log, args.logs):
                print(time_line(path))
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise SystemExit(f"analyze_logs: {error.args[0]}") from error


if __name__ == "__main__":
    main()
