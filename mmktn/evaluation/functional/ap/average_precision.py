"""Precision and recall over a set of images, and the columns made of them.

Source: COCO's accumulation (101 recall points, precision made monotone) with the columns of the
DensePose evaluator. A value of -1 means that there is no ground truth of that kind;
``Column.reason`` says so in words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.matching import ImageMatches, ImagePairs
from mmktn.evaluation.functional.ap.protocol import AREA_NAMES, RECALL_POINTS

NO_GROUND_TRUTH = -1.0


@dataclass(frozen=True)
class PrecisionRecall:
    """Accumulated curves.

    Attributes:
        thresholds: (T,) similarity thresholds.
        category_ids: (K,) categories.
        area_names: A names.
        precision: (M, T, 101, K, A) precision at the recall points, -1 without ground truth.
        recall: (M, T, K, A) largest recall, -1 without ground truth.
        num_truth: (K, A) persons that count.
        num_detections: (K,) detections.
    """

    thresholds: NDArray[np.float64]
    category_ids: NDArray[np.int64]
    area_names: Sequence[str]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    num_truth: NDArray[np.int64]
    num_detections: NDArray[np.int64]


def accumulate(
    pairs: Sequence[ImagePairs],
    matches: Sequence[ImageMatches],
    *,
    thresholds: NDArray[np.float64],
    category_ids: Sequence[int],
    num_similarities: int,
    area_names: Sequence[str] = AREA_NAMES,
) -> PrecisionRecall:
    """Merge the matches of all images into precision-recall curves.

    Args:
        pairs: Entries of the matching; order does not matter (images are taken by rising id).
        matches: Their matches.
        thresholds: (T,) similarity thresholds.
        category_ids: K categories.
        num_similarities: M.
        area_names: A names.

    Returns:
        The curves.
    """
    shape = (num_similarities, len(thresholds), len(RECALL_POINTS), len(category_ids))
    precision = np.full((*shape, len(area_names)), NO_GROUND_TRUTH)
    recall = np.full((*shape[:2], *shape[3:], len(area_names)), NO_GROUND_TRUTH)
    num_truth = np.zeros((len(category_ids), len(area_names)), dtype=np.int64)
    num_detections = np.zeros(len(category_ids), dtype=np.int64)
    for k, category in enumerate(category_ids):
        chosen = [i for i, p in enumerate(pairs) if p.category_id == category]
        chosen.sort(key=lambda i: pairs[i].image_id)
        if not chosen:
            continue
        scores = np.concatenate([pairs[i].det_scores for i in chosen])
        order = np.argsort(-scores, kind="mergesort")
        true = np.concatenate([matches[i].dt_true for i in chosen], axis=-1)[..., order]
        ignored = np.concatenate([matches[i].dt_ignored for i in chosen], axis=-1)[..., order]
        num_truth[k] = sum((~matches[i].gt_ignored).sum(axis=-1) for i in chosen)
        num_detections[k] = len(scores)
        hits = np.cumsum(true & ~ignored, axis=-1, dtype=np.float64)
        misses = np.cumsum(~true & ~ignored, axis=-1, dtype=np.float64)
        for a in np.flatnonzero(num_truth[k]):
            curve, top = _curves(hits[:, a], misses[:, a], num_truth[k, a])
            precision[:, :, :, k, a], recall[:, :, k, a] = curve, top
    return PrecisionRecall(
        thresholds=thresholds,
        category_ids=np.array(category_ids, dtype=np.int64),
        area_names=tuple(area_names),
        precision=precision,
        recall=recall,
        num_truth=num_truth,
        num_detections=num_detections,
    )


def _curves(
    hits: NDArray[np.float64],
    misses: NDArray[np.float64],
    num_truth: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a category's precision at the recall points (M, T, R) and largest recall (M, T)."""
    curve = np.zeros((*hits.shape[:2], len(RECALL_POINTS)))
    if not hits.shape[-1]:
        return curve, np.zeros(hits.shape[:2])
    recalls = hits / num_truth
    precisions = hits / (misses + hits + np.spacing(1))
    precisions = np.maximum.accumulate(precisions[..., ::-1], axis=-1)[..., ::-1]
    for m in range(hits.shape[0]):
        for t in range(hits.shape[1]):
            at = np.searchsorted(recalls[m, t], RECALL_POINTS, side="left")
            reached = at < hits.shape[-1]
            curve[m, t, reached] = precisions[m, t, at[reached]]
    return curve, recalls[..., -1]


@dataclass(frozen=True)
class Column:
    """One number of the result table.

    Attributes:
        value: Fraction in [0, 1], -1 where undefined.
        reason: Why it is undefined; empty otherwise.
    """

    value: float
    reason: str = ""


def mean_defined(values: NDArray[np.float64]) -> float:
    """Mean of the values above -1; -1 when there is none.

    Args:
        values: Precisions or recalls of any shape.

    Returns:
        The mean.
    """
    defined = values[values > NO_GROUND_TRUTH]
    return float(np.mean(defined)) if defined.size else NO_GROUND_TRUTH


def columns(
    curves: PrecisionRecall,
    similarity: int,
    *,
    category_names: Mapping[int, str] | None = None,
    with_areas: bool = True,
) -> dict[str, Column]:
    """Make the usual columns: AP, AP50, AP75, APm, APl, AR, AR50, AR75, ARm, ARl.

    AP20, AP30, AP40 are added where the thresholds reach down to them, AP-<category> where
    there is more than one category.

    Args:
        curves: Accumulated curves.
        similarity: Index of the similarity on the first axis.
        category_names: Names by category id; wanted for AP-<category>.
        with_areas: Whether to give the columns of medium and large persons.

    Returns:
        Column name to its value.
    """
    precision, recall = curves.precision[similarity], curves.recall[similarity]
    areas = {name: a for a, name in enumerate(curves.area_names)}
    low = [v for v in (0.2, 0.3, 0.4) if _at(curves.thresholds, v) is not None]

    def column(values: NDArray[np.float64], area: str, at: float | None) -> Column:
        chosen = values[..., areas[area]]
        if at is not None:
            t = _at(curves.thresholds, at)
            if t is None:
                return Column(NO_GROUND_TRUTH, f"threshold {at:g} was not evaluated")
            chosen = chosen[t]
        value = mean_defined(chosen)
        return Column(value, "" if value > NO_GROUND_TRUTH else _why(curves, areas[area]))

    found = {"AP": column(precision, "all", None)}
    found |= {f"AP{round(100 * v)}": column(precision, "all", v) for v in (*low, 0.5, 0.75)}
    if with_areas:
        found["APm"] = column(precision, "medium", None)
        found["APl"] = column(precision, "large", None)
    found["AR"] = column(recall, "all", None)
    found |= {f"AR{round(100 * v)}": column(recall, "all", v) for v in (0.5, 0.75)}
    if with_areas:
        found["ARm"] = column(recall, "medium", None)
        found["ARl"] = column(recall, "large", None)
    if category_names is not None and len(curves.category_ids) > 1:
        for k, category in enumerate(curves.category_ids.tolist()):
            value = mean_defined(precision[:, :, k, 0])
            reason = "" if value > NO_GROUND_TRUTH else "no ground truth of this category"
            found[f"AP-{category_names[category]}"] = Column(value, reason)
    return found


def _at(thresholds: NDArray[np.float64], value: float) -> int | None:
    near = np.flatnonzero(np.abs(thresholds - value) < 1e-3)
    return int(near[0]) if len(near) else None


def _why(curves: PrecisionRecall, area: int) -> str:
    name = curves.area_names[area]
    if curves.num_truth[:, 0].sum() == 0:
        return "no ground truth that counts in this set"
    return f"no ground truth in the area range '{name}'"
