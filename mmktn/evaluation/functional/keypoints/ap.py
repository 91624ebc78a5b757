"""AP and AR of keypoints on COCO and CrowdPose.

Source: COCO keypoint evaluation and the CrowdPose API (images split by crowdIndex); the protocols'
differences are switches in ``protocol.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.average_precision import (
    NO_GROUND_TRUTH,
    Column,
    PrecisionRecall,
    accumulate,
    columns,
    mean_defined,
)
from mmktn.evaluation.functional.ap.matching import (
    ImageMatches,
    ImagePairs,
    MatchRules,
    match_images,
)
from mmktn.evaluation.functional.ap.protocol import (
    AREA_RANGES,
    MAX_DETECTIONS,
    KeypointProtocol,
    keypoint_protocol,
    similarity_thresholds,
)
from mmktn.evaluation.functional.keypoints.data import KeypointDetections, KeypointTruth
from mmktn.evaluation.functional.keypoints.oks import keypoint_pairs

# Cuts of crowdIndex: name, easy below, whether the cut itself is easy, hard from.
CROWD_SPLITS = (("code0.2-0.8", 0.2, False, 0.8), ("paper0.1-0.8", 0.1, True, 0.8))


@dataclass(frozen=True)
class KeypointScores:
    """Result of a keypoint evaluation.

    Attributes:
        columns: ``"oks/AP"`` and so on.
        curves: Precision and recall; one similarity.
        pairs: OKS matrices per image and category.
        matches: Their matches.
        notes: Sentences on what was left out and why.
        protocol: Protocol used.
    """

    columns: dict[str, Column]
    curves: PrecisionRecall
    pairs: list[ImagePairs]
    matches: list[ImageMatches]
    notes: list[str] = field(default_factory=list)
    protocol: str = "coco"

    def values(self) -> dict[str, float]:
        """Column name to fraction, -1 where undefined."""
        return {name: column.value for name, column in self.columns.items()}


def evaluate_keypoints(
    truth: KeypointTruth,
    detections: KeypointDetections,
    *,
    protocol: str | KeypointProtocol = "coco",
    sigmas: Sequence[float] | NDArray[np.float64] | None = None,
    min_threshold: float = 0.5,
) -> KeypointScores:
    """Evaluate keypoint results against their ground truth.

    Args:
        truth: Ground truth.
        detections: Results.
        protocol: Name in ``KEYPOINT_PROTOCOLS`` or a protocol.
        sigmas: (K,) per-keypoint constants; by default COCO's or CrowdPose's.
        min_threshold: Lowest OKS threshold.

    Returns:
        Columns, curves, matches and notes.

    Raises:
        ValueError: Results are unusable; the first ten are named.
    """
    rules = keypoint_protocol(protocol)
    _check(truth, detections, rules)
    notes = [*truth.notes, *detections.notes]
    positions = np.arange(len(detections))
    if rules.drop_blank_results:
        blank = (detections.keypoints[..., 2] == 0).all(axis=1)
        if blank.any():
            notes.append(
                f"{blank.sum()} results with all keypoint scores 0 left out (protocol "
                f"'{rules.name}')"
            )
        positions = positions[~blank]
    pairs, num_beyond = keypoint_pairs(truth, detections, rules, positions, sigmas)
    if num_beyond:
        notes.append(f"{num_beyond} detections beyond the {MAX_DETECTIONS} best of their image")
    ignored = np.concatenate([p.gt_ignored for p in pairs] or [np.zeros(0, dtype=bool)])
    if ignored.any():
        notes.append(f"{ignored.sum()} persons without labelled keypoints or crowds (ignored)")
    return summarize_keypoints(
        pairs, truth, protocol=rules, min_threshold=min_threshold, notes=notes
    )


def _check(truth: KeypointTruth, detections: KeypointDetections, rules: KeypointProtocol) -> None:
    problems = detections.problems(truth)
    if problems:
        shown = "\n  ".join(text for _, text in problems[:10])
        raise ValueError(f"{detections.name}: {len(problems)} unusable entries:\n  {shown}")
    if rules.box_area_factor is None and np.isnan(truth.areas).any():
        bad = truth.ids[np.flatnonzero(np.isnan(truth.areas))[0]]
        raise ValueError(
            f"{truth.name}: annotation {bad}: no field 'area'; protocol '{rules.name}' needs it "
            "(the crowdpose protocols do not)"
        )


def summarize_keypoints(
    pairs: Sequence[ImagePairs],
    truth: KeypointTruth,
    *,
    protocol: str | KeypointProtocol,
    min_threshold: float = 0.5,
    notes: Sequence[str] = (),
) -> KeypointScores:
    """Match and accumulate OKS matrices, however they were gathered.

    Args:
        pairs: Entries per image and category.
        truth: Ground truth (categories and crowdIndex are used).
        protocol: Rules.
        min_threshold: Lowest OKS threshold.
        notes: Sentences to pass on.

    Returns:
        Columns, curves and matches.
    """
    rules = keypoint_protocol(protocol)
    thresholds = similarity_thresholds(min_threshold)
    matching = MatchRules(
        thresholds=thresholds,
        area_ranges=AREA_RANGES,
        id_zero_unmatched=rules.id_zero_unmatched,
    )
    ordered = sorted(pairs, key=lambda p: (p.category_id, p.image_id))
    matches = match_images(ordered, ["oks"], matching)
    categories = sorted(truth.categories)

    def curves_of(chosen: Sequence[int]) -> PrecisionRecall:
        return accumulate(
            [ordered[i] for i in chosen],
            [matches[i] for i in chosen],
            thresholds=thresholds,
            category_ids=categories,
            num_similarities=1,
        )

    everything = range(len(ordered))
    curves = curves_of(everything)
    found = columns(
        curves, 0, category_names=truth.categories, with_areas=not rules.split_by_crowd_index
    )
    if rules.split_by_crowd_index:
        for name, low, low_is_easy, high in CROWD_SPLITS:
            index = np.array([truth.images[p.image_id] for p in ordered])
            easy = index <= low if low_is_easy else index < low
            hard = index >= high
            for part, inside in (("easy", easy), ("medium", ~easy & ~hard & ~np.isnan(index)),
                                 ("hard", hard)):  # fmt: skip
                chosen = np.flatnonzero(inside).tolist()
                found[f"AP{part}_{name}"] = _split_value(curves_of(chosen), rules, part, truth)
    if not any(len(p.det_index) for p in ordered):
        found = {
            key: Column(max(c.value, 0.0), "the result list is empty") if c.value >= 0 else c
            for key, c in found.items()
        }
    return KeypointScores(
        {f"oks/{key}": column for key, column in found.items()},
        curves,
        ordered,
        matches,
        list(notes),
        protocol=rules.name,
    )


def _split_value(
    curves: PrecisionRecall, rules: KeypointProtocol, part: str, truth: KeypointTruth
) -> Column:
    """Return the AP of one crowdIndex split; officially -1 cells count and four digits are kept."""
    precision = curves.precision[0, ..., 0]
    if rules.rounds_splits:
        value = round(float(np.mean(precision)), 4) if precision.size else NO_GROUND_TRUTH
    else:
        value = mean_defined(precision)
    if curves.num_truth[:, 0].sum():
        return Column(value)
    if np.isnan(list(truth.images.values())).all():
        return Column(value, "no image has a crowdIndex")
    return Column(value, f"no image of the '{part}' split has ground truth")
