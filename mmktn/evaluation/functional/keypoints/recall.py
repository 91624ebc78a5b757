"""Recall of keypoints over the score threshold: the table of missing keypoints.

Source: STIP, "missing keypoints" analysis (recall at 0.1 ... 0.9). Score of a keypoint: the maximum
of its heat map, on crops of ground-truth boxes. The ratio is global. The released code averages the
ratios of batches instead, and takes STIP's presence classifier for the score; both are offered
beside it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.keypoints.ap import CROWD_SPLITS

RECALL_THRESHOLDS: NDArray[np.float64] = np.arange(1, 10) / 10


def keypoint_recall(
    scores: NDArray[np.floating],
    labelled: NDArray[np.bool_],
    *,
    thresholds: NDArray[np.float64] = RECALL_THRESHOLDS,
) -> NDArray[np.float64]:
    """Share of labelled keypoints whose score reaches a threshold.

    Args:
        scores: (N, K) score of each keypoint of each person.
        labelled: (N, K) whether the ground truth has it.
        thresholds: (T,) thresholds.

    Returns:
        (T,) recall; -1 without labelled keypoints.

    Raises:
        ValueError: The shapes differ or a score is not finite.
    """
    scores, labelled = np.asarray(scores, dtype=np.float64), np.asarray(labelled, dtype=bool)
    if scores.shape != labelled.shape:
        raise ValueError(f"scores are {scores.shape}, labelled is {labelled.shape}")
    if not np.isfinite(scores[labelled]).all():
        raise ValueError("a labelled keypoint has a score that is not finite")
    chosen = np.sort(scores[labelled])
    if not len(chosen):
        return np.full(len(thresholds), -1.0)
    return 1 - np.searchsorted(chosen, thresholds, side="left") / len(chosen)


def batch_mean_recall(
    scores: NDArray[np.floating],
    labelled: NDArray[np.bool_],
    batches: NDArray[np.int64],
    *,
    thresholds: NDArray[np.float64] = RECALL_THRESHOLDS,
) -> NDArray[np.float64]:
    """Return the same, averaged over batches as the released STIP code does.

    Args:
        scores: (N, K) score of each keypoint of each person.
        labelled: (N, K) whether the ground truth has it.
        batches: (N,) number of the batch in which the person was evaluated.
        thresholds: (T,) thresholds.

    Returns:
        (T,) mean of the batches that have labelled keypoints; -1 without any.
    """
    rows = [
        keypoint_recall(scores[inside], labelled[inside], thresholds=thresholds)
        for inside in (batches == number for number in np.unique(batches))
    ]
    kept = [row for row in rows if (row >= 0).all()]
    return np.mean(kept, axis=0) if kept else np.full(len(thresholds), -1.0)


def recall_table(
    scores: NDArray[np.floating],
    labelled: NDArray[np.bool_],
    *,
    crowd_index: NDArray[np.float64] | None = None,
) -> dict[str, float]:
    """Return the recall at every threshold, over all persons and by crowdIndex.

    Args:
        scores: (N, K) score of each keypoint of each person.
        labelled: (N, K) whether the ground truth has it.
        crowd_index: (N,) crowdIndex of the person's image; splits are left out without it.

    Returns:
        ``"recall@0.1"`` ..., ``"recall@0.1_easy_code0.2-0.8"`` ...; -1 where undefined.
    """
    limits = np.asarray(RECALL_THRESHOLDS, dtype=np.float64)
    groups: dict[str, NDArray[np.bool_]] = {"": np.ones(len(scores), dtype=bool)}
    if crowd_index is not None:
        index = np.asarray(crowd_index)
        for name, low, low_is_easy, high in CROWD_SPLITS:
            easy = index <= low if low_is_easy else index < low
            hard = index >= high
            medium = ~easy & ~hard & ~np.isnan(index)
            groups |= {
                f"_{part}_{name}": inside
                for part, inside in (("easy", easy), ("medium", medium), ("hard", hard))
            }
    table: dict[str, float] = {}
    for suffix, inside in groups.items():
        values = keypoint_recall(scores[inside], labelled[inside], thresholds=limits)
        table |= named_recall("recall", values, limits, suffix=suffix)
    return table


def named_recall(
    name: str,
    values: NDArray[np.float64],
    thresholds: NDArray[np.float64] = RECALL_THRESHOLDS,
    *,
    suffix: str = "",
) -> dict[str, float]:
    """Give recalls the names of their thresholds.

    Args:
        name: What kind of recall.
        values: (T,) recalls.
        thresholds: (T,) thresholds.
        suffix: Of which persons.

    Returns:
        ``"<name>@0.1<suffix>"`` and so on.
    """
    return {f"{name}@{t:g}{suffix}": float(v) for t, v in zip(thresholds, values, strict=True)}


def aligned_scores(
    entries: Sequence[Mapping[str, object]],
    annotation_ids: NDArray[np.int64],
    num_keypoints: int,
    *,
    name: str = "results",
) -> NDArray[np.float64]:
    """Sort keypoint scores of results on ground-truth boxes by annotation.

    Args:
        entries: Results with ``annotation_id`` and ``keypoints``.
        annotation_ids: (N,) wanted order.
        num_keypoints: K.
        name: Used in messages.

    Returns:
        (N, K) scores; 0 for a person without a result.

    Raises:
        ValueError: An entry has no ``annotation_id``, or an unknown one, or another length.
    """
    place = {int(key): k for k, key in enumerate(annotation_ids)}
    scores = np.zeros((len(annotation_ids), num_keypoints))
    for k, entry in enumerate(entries):
        where = f"{name}: entry {k}"
        if "annotation_id" not in entry:
            raise ValueError(
                f"{where}: no field 'annotation_id'; recall needs results on ground-truth boxes"
            )
        key = int(str(entry["annotation_id"]))
        if key not in place:
            raise ValueError(f"{where}: unknown annotation_id {key}")
        values = np.asarray(entry["keypoints"], dtype=np.float64).reshape(-1, 3)[:, 2]
        if len(values) != num_keypoints:
            raise ValueError(f"{where}: {len(values)} keypoints, expected {num_keypoints}")
        scores[place[key]] = values
    return scores
