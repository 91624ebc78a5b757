"""Dense-pose AP and AR: GPS, GPSm and mask IoU of a result list in one pass.

Source: DensePose-COCO protocol as in the official evaluator (see ``protocol.py``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.average_precision import (
    Column,
    PrecisionRecall,
    accumulate,
    columns,
)
from mmktn.evaluation.functional.ap.matching import (
    ImageMatches,
    ImagePairs,
    MatchRules,
    match_images,
)
from mmktn.evaluation.functional.ap.protocol import (
    AREA_RANGES,
    DensePoseProtocol,
    densepose_protocol,
    similarity_thresholds,
)
from mmktn.evaluation.functional.densepose.gps import (
    PER_PART,
    similarity_names,
)
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.pair_scorer import METRICS, score_detections
from mmktn.evaluation.functional.densepose.surface_like import SurfaceLike, surface_note
from mmktn.formats.dense_detections import DenseDetections


@dataclass(frozen=True)
class DensePoseScores:
    """Result of an evaluation.

    Attributes:
        columns: For example ``"gps/AP"`` to its value; the part before the slash says metric
            and normaliser.
        names: Similarities, first axis of ``curves``.
        curves: Precision and recall.
        pairs: Similarity matrices per image and category.
        matches: Matches of the same.
        notes: Sentences on what was left out and why.
        protocol: Protocol used.
        surface: Name of the surface that distances were measured on, empty for IoU alone.
    """

    columns: dict[str, Column]
    names: list[str]
    curves: PrecisionRecall
    pairs: list[ImagePairs]
    matches: list[ImageMatches]
    notes: list[str] = field(default_factory=list)
    protocol: str = "official"
    surface: str = ""

    def values(self) -> dict[str, float]:
        """Column name to fraction, -1 where undefined."""
        return {name: column.value for name, column in self.columns.items()}


def match_rules(protocol: DensePoseProtocol, thresholds: NDArray[np.float64]) -> MatchRules:
    """Return the rules of the matching under a dense-pose protocol.

    Args:
        protocol: The protocol.
        thresholds: (T,) similarity thresholds.

    Returns:
        The rules.
    """
    return MatchRules(
        thresholds=thresholds,
        area_ranges=AREA_RANGES,
        area_upper_inclusive=protocol.area_limits_inclusive,
        id_zero_unmatched=protocol.id_zero_unmatched,
        all_ignored_frees=protocol.unannotated_images_free,
        box_rule=protocol.box_rule,
        box_tie_takes_last=protocol.box_tie_takes_last,
    )


def summarize_pairs(
    pairs: Sequence[ImagePairs],
    names: Sequence[str],
    *,
    categories: dict[int, str],
    protocol: str | DensePoseProtocol = "official",
    min_threshold: float = 0.5,
    notes: Sequence[str] = (),
) -> DensePoseScores:
    """Match and accumulate similarity matrices, however they were gathered.

    Args:
        pairs: Entries per image and category.
        names: Similarities to report.
        categories: Category id to name.
        protocol: Name or protocol.
        min_threshold: Lowest similarity threshold.
        notes: Sentences to pass on.

    Returns:
        Columns, curves and matches.
    """
    rules = densepose_protocol(protocol)
    thresholds = similarity_thresholds(min_threshold)
    ordered = sorted(pairs, key=lambda p: (p.category_id, p.image_id))
    matches = match_images(ordered, names, match_rules(rules, thresholds))
    curves = accumulate(
        ordered,
        matches,
        thresholds=thresholds,
        category_ids=sorted(categories),
        num_similarities=len(names),
    )
    found: dict[str, Column] = {}
    empty = not any(len(p.det_index) for p in ordered)
    for m, name in enumerate(names):
        for key, column in columns(curves, m, category_names=categories).items():
            value = column
            if empty and column.value >= 0:
                value = Column(
                    rules.empty_value, f"the result list is empty (protocol '{rules.name}')"
                )
            found[f"{name}/{key}"] = value
    return DensePoseScores(
        found,
        list(names),
        curves,
        ordered,
        matches,
        [*notes, *_ignored_notes(ordered, matches, names[0], rules)],
        protocol=rules.name,
    )


def _ignored_notes(
    pairs: Sequence[ImagePairs],
    matches: Sequence[ImageMatches],
    name: str,
    protocol: DensePoseProtocol,
) -> list[str]:
    """Count the detections that are neither right nor wrong, at the lowest threshold, any area."""
    free, absorbed = 0, 0
    for pair, match in zip(pairs, matches, strict=True):
        ignored = int(match.dt_ignored[0, 0, 0].sum())
        if pair.gt_ignored.all() and protocol.unannotated_images_free:
            free += ignored
        else:
            absorbed += ignored
    texts = {
        "detections in images without a person with points: counted neither way (so false "
        f"positives there are free under protocol '{protocol.name}')": free,
        "detections on ignored persons: counted neither way (by "
        f"{name} at the lowest threshold)": absorbed,
    }
    return [f"{count} {text}" for text, count in texts.items() if count]


def evaluate_densepose(
    truth: DensePoseTruth,
    detections: DenseDetections,
    surface: SurfaceLike | None,
    *,
    metrics: Sequence[str] = METRICS,
    normalisers: Sequence[str] = (PER_PART,),
    protocol: str | DensePoseProtocol = "official",
    min_threshold: float = 0.5,
    progress: Callable[[int, int], None] | None = None,
) -> DensePoseScores:
    """Evaluate a result list against its ground truth.

    Args:
        truth: Ground truth.
        detections: Results.
        surface: Body surface; may be None for ``metrics=("iou",)``.
        metrics: Some of ``"gps"``, ``"gpsm"``, ``"iou"``.
        normalisers: Some of ``"per_part"`` (keys ``gps``), ``"global"`` (``gps_kappa0.255``).
        protocol: ``"official"``, ``"clean"`` or a protocol.
        min_threshold: 0.5, or lower for AP20, AP30, AP40.
        progress: Called with (images done, images in all).

    Returns:
        Columns, curves, matches and notes.

    Raises:
        ValueError: Results are unusable; all of them are named, up to ten.
    """
    pairs, notes = score_detections(
        truth, detections, surface, metrics=metrics, normalisers=normalisers, protocol=protocol,
        progress=progress,
    )  # fmt: skip
    names = similarity_names(metrics, normalisers)
    measured = surface if {"gps", "gpsm"} & set(metrics) else None
    scores = summarize_pairs(
        pairs,
        names,
        categories=truth.categories,
        protocol=protocol,
        min_threshold=min_threshold,
        notes=[*notes, *surface_note(measured)],
    )
    return replace(scores, surface=getattr(measured, "name", ""))
