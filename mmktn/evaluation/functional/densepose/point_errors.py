"""Errors of points: ratio of correct points, area under it, statistics by body part.

Source: DensePose paper section 2.3. AUC is integrated exactly, without bins:
AUC_a = mean(max(0, 1 - d / a)).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.parts import CHART_NAMES, CHART_TO_GPS_GROUP, GPS_GROUP_NAMES, NUM_CHARTS

AUC_LIMITS_M = (0.10, 0.30)


@dataclass(frozen=True)
class PointDistances:
    """Geodesic error of every annotated point.

    Attributes:
        distances_m: (P,) metres, inf where the point shows background.
        charts: (P,) true chart 1..24.
        vertices: (P,) true mesh vertex.
        image_ids: (P,) image.
    """

    distances_m: NDArray[np.float32]
    charts: NDArray[np.uint8]
    vertices: NDArray[np.int32]
    image_ids: NDArray[np.int64]

    @classmethod
    def merge(cls, parts: Sequence["PointDistances"]) -> "PointDistances":
        """Join several sets.

        Args:
            parts: Sets, maybe none.
        """
        if not parts:
            nothing = np.zeros(0)
            return cls(
                nothing.astype(np.float32), nothing.astype(np.uint8), nothing.astype(np.int32),
                nothing.astype(np.int64),
            )  # fmt: skip
        return cls(
            *(
                np.concatenate([getattr(p, name) for p in parts])
                for name in ("distances_m", "charts", "vertices", "image_ids")
            )
        )


def area_under_curve(distances_m: NDArray[np.floating], limit_m: float) -> float:
    """Compute the area under the ratio of correct points up to a distance, over that distance.

    Args:
        distances_m: (P,) geodesic errors in metres, inf for a miss.
        limit_m: Upper limit a in metres.

    Returns:
        Value in [0, 1]; -1 without points.
    """
    if not len(distances_m):
        return -1.0
    return float(np.mean(np.maximum(0.0, 1.0 - np.asarray(distances_m, np.float64) / limit_m)))


def ratio_of_correct_points(
    distances_m: NDArray[np.floating], thresholds_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of points whose error is at most a threshold.

    Args:
        distances_m: (P,) geodesic errors in metres, inf for a miss.
        thresholds_m: (T,) thresholds in metres.

    Returns:
        (T,) shares; nan without points.
    """
    ordered = np.sort(distances_m)
    if not len(ordered):
        return np.full(len(thresholds_m), np.nan)
    # Distances are float32 and thresholds float64: compare in the former, so 0.1 m counts at 0.1 m.
    limits = np.asarray(thresholds_m).astype(ordered.dtype)
    return np.searchsorted(ordered, limits, side="right") / len(ordered)


def part_errors(points: PointDistances, *, by: str = "chart") -> dict[str, dict[str, float]]:
    """Return the error of the points of every part.

    Args:
        points: Errors.
        by: ``"chart"`` (24) or ``"group"`` (the 8 groups of charts of the GPS normaliser).

    Returns:
        Part name to its number of points, share missed, mean and median error in metres of the
        points that were hit (nan without), AUC10, AUC30.

    Raises:
        ValueError: ``by`` is unknown.
    """
    if by not in ("chart", "group"):
        raise ValueError(f"by must be 'chart' or 'group', got {by!r}")
    names = CHART_NAMES if by == "chart" else GPS_GROUP_NAMES
    label = points.charts if by == "chart" else CHART_TO_GPS_GROUP[points.charts]
    table = {}
    for k in range(1, NUM_CHARTS + 1 if by == "chart" else len(GPS_GROUP_NAMES)):
        distances = points.distances_m[label == k]
        hit = distances[np.isfinite(distances)]
        key = f"{k} {names[k]}" if by == "chart" else names[k]
        table[key] = {
            "points": len(distances),
            "missed": 1 - len(hit) / len(distances) if len(distances) else float("nan"),
            "mean_m": float(hit.mean()) if len(hit) else float("nan"),
            "median_m": float(np.median(hit)) if len(hit) else float("nan"),
            "AUC10": area_under_curve(distances, AUC_LIMITS_M[0]),
            "AUC30": area_under_curve(distances, AUC_LIMITS_M[1]),
        }
    return table
