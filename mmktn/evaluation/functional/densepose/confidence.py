"""Predicted confidence against true errors: reliability, temperature, what to keep.

All arrays hold one entry per point, as python -m mmktn calibrate reads them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def fit_temperature(errors: Floats, variances: Floats, kappas: Floats | None = None) -> float:
    """Return the factor of the predicted covariances under which the errors are most likely.

    Args:
        errors: (P, 2) errors of U and V in chart units.
        variances: (P,) s of the covariance s I + k k^T.
        kappas: (P, 2) k; None for a round density.

    Returns:
        Half the mean of e^T (s I + k k^T)^-1 e, the maximum of the normal likelihood; nan without
        points.
    """
    if not len(errors):
        return float("nan")
    e, s = np.asarray(errors, np.float64), np.asarray(variances, np.float64)
    squares = (e**2).sum(axis=1) / s
    if kappas is not None:
        k = np.asarray(kappas, np.float64)
        squares -= (e * k).sum(axis=1) ** 2 / (s * (s + (k**2).sum(axis=1)))
    return float(np.mean(squares) / 2)


def reliability_curve(predicted: Floats, errors: Floats, *, bins: int = 10) -> NDArray[np.float64]:
    """Compare predicted with measured spread in groups of equally many points, the surest first.

    Args:
        predicted: (P,) predicted standard deviation.
        errors: (P,) errors in the same unit.
        bins: Number of groups; fewer where there are fewer points.

    Returns:
        (bins, 3): root mean square of the predictions, of the errors, and number of points.
    """
    order = np.argsort(predicted, kind="stable")
    groups = [g for g in np.array_split(order, bins) if len(g)]
    rows = [
        (np.sqrt(np.mean(predicted[g] ** 2)), np.sqrt(np.mean(errors[g] ** 2)), len(g))
        for g in groups
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def rank_quality(confidence: Floats, good: NDArray[np.bool_]) -> float:
    """Compute how often a good point has more confidence than a bad one; equal ones count half.

    Args:
        confidence: (P,).
        good: (P,) whether the point is good.

    Returns:
        0.5 for a confidence that knows nothing, 1 for a perfect one; nan if all are alike.
    """
    _, place, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    num_good = int(good.sum())
    num_bad = len(good) - num_good
    if not num_good or not num_bad:
        return float("nan")
    above = ranks[good].sum() - num_good * (num_good + 1) / 2
    return float(above / (num_good * num_bad))


def coverage_curve(
    confidence: Floats, values: Floats, shares: Sequence[float]
) -> NDArray[np.float64]:
    """Mean of a value over the surest points.

    Args:
        confidence: (P,).
        values: (P,) say, the GPS similarity of each point, or whether it is within 3 cm.
        shares: Shares of the points to keep, each above 0 and at most 1.

    Returns:
        (len(shares),) means over at least one point; nan without points.
    """
    if not len(confidence):
        return np.full(len(shares), np.nan)
    ordered = np.asarray(values, np.float64)[np.argsort(-confidence, kind="stable")]
    means = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    kept = [max(1, min(len(ordered), round(share * len(ordered)))) for share in shares]
    return means[np.array(kept) - 1]


def least_confidence(
    confidence: Floats, good: NDArray[np.bool_], *, precision: float = 0.9
) -> tuple[float, float]:
    """Return the least confidence at which enough of what is kept is good.

    Args:
        confidence: (P,).
        good: (P,) whether the point is good, say within 3 cm.
        precision: Share of the kept points that has to be good.

    Returns:
        The threshold that keeps most (for `min_confidence`), and the share of points at or above
        it; (nan, 0) if none does.
    """
    order = np.argsort(-confidence, kind="stable")
    sure = confidence[order]
    precise = np.cumsum(good[order]) / np.arange(1, len(order) + 1) >= precision
    # Points of equal confidence stay or go together.
    last_of_equals = np.append(sure[1:] != sure[:-1], True)[: len(order)]
    found = np.flatnonzero(precise & last_of_equals)
    if not len(found):
        return float("nan"), 0.0
    return float(sure[found[-1]]), float((found[-1] + 1) / len(order))
