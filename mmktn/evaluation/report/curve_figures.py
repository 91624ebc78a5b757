"""Curves of the report: ratio of correct points, precision over recall by threshold.

matplotlib is imported where a figure is drawn; figures are returned, never shown.
"""

from typing import Any

import numpy as np

from mmktn.evaluation.functional.ap.average_precision import PrecisionRecall
from mmktn.evaluation.functional.ap.protocol import RECALL_POINTS
from mmktn.evaluation.functional.densepose.point_errors import (
    AUC_LIMITS_M,
    PointDistances,
    area_under_curve,
    ratio_of_correct_points,
)
from mmktn.surface.parts import CHART_TO_GPS_GROUP, GPS_GROUP_NAMES
from mmktn.utils.optional import require

_LONGEST_M = 0.5


def new_figure(width: float, height: float) -> Any:
    """Empty figure that belongs to no window.

    Args:
        width: Inches.
        height: Inches.
    """
    figure_module = require("matplotlib.figure", extra="mm")
    return figure_module.Figure(figsize=(width, height), layout="constrained")


def correct_points_figure(points: PointDistances) -> Any:
    """Compute the ratio of correct points over distance, for all points and by group of charts.

    Args:
        points: Errors of all points.
    """
    figure = new_figure(7, 4.2)
    axes = figure.subplots()
    steps = np.linspace(0, _LONGEST_M, 251, dtype=np.float64)
    groups = CHART_TO_GPS_GROUP[points.charts]
    for k, name in enumerate(GPS_GROUP_NAMES):
        if k and (groups == k).any():
            curve = ratio_of_correct_points(points.distances_m[groups == k], steps)
            axes.plot(100 * steps, curve, lw=1, alpha=0.7, label=name)
    axes.plot(
        100 * steps, ratio_of_correct_points(points.distances_m, steps), "k", lw=2.5, label="all"
    )
    for limit in AUC_LIMITS_M:
        axes.axvline(100 * limit, color="0.6", ls=":", lw=1)
        area = area_under_curve(points.distances_m, limit)
        axes.text(100 * limit + 0.5, 0.03, f"AUC{100 * limit:.0f} = {area:.3f}", fontsize=9)
    axes.set(xlabel="geodesic error [cm]", ylabel="ratio of correct points", ylim=(0, 1.01))
    axes.set_xlim(0, 100 * _LONGEST_M)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure


def precision_recall_figure(curves: PrecisionRecall, similarity: int, name: str) -> Any:
    """Return the precision over recall, one line per similarity threshold.

    Args:
        curves: Accumulated curves.
        similarity: Index on the first axis.
        name: Name of the similarity.
    """
    figure = new_figure(7, 4.2)
    axes = figure.subplots()
    colours = require("matplotlib", extra="mm").colormaps["viridis"]
    precision = curves.precision[similarity, ..., 0]
    for t, threshold in enumerate(curves.thresholds):
        defined = precision[t][:, (precision[t] > -1).all(axis=0)]
        if defined.size:
            share = t / max(len(curves.thresholds) - 1, 1)
            line = defined.mean(axis=1)
            axes.plot(
                RECALL_POINTS, line, color=colours(share),
                label=f"{threshold:.2f}: AP {line.mean():.3f}",
            )  # fmt: skip
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(fontsize=8, title=f"{name} threshold", loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure
