"""What the ablation tools share: mean and spread as text, and as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path


def spread(values: Sequence[float]) -> str:
    """Mean and sample deviation as text."""
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{statistics.mean(values):.1f} +- {statistics.stdev(values):.1f}"


def draw_arms(path: Path, title: str, arms: Mapping[str, Sequence[float]], *, label: str) -> None:
    """Draw every run as a point and every arm's mean as a bar.

    Args:
        path: Picture to write.
        title: Title of the figure.
        arms: Values of the runs by arm, drawn from top to bottom.
        label: Name of the horizontal axis.
    """
    from mmktn.utils.optional import require

    require("matplotlib", extra="mm").use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.7 + 0.32 * len(arms)), layout="constrained")
    axes = figure.add_subplot()
    rows = range(len(arms))
    axes.barh(rows, [statistics.mean(v) for v in arms.values()], color="#c8d8ea")
    for row, values in zip(rows, arms.values(), strict=True):
        axes.plot(values, [row] * len(values), "o", color="#1f4e79", markersize=4)
    axes.set_yticks(rows, list(arms))
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
