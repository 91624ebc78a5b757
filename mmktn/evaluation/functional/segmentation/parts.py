"""Part segmentation: mIoU of 15 classes inside matched persons, AP^p and AP of part masks.

There is no official metric of this task. AP^p is that of human parsing (Li et al., 2017,
multi-human parsing): a person is found if the mean over its parts of the overlap of part masks is
high enough. Persons without dp_masks are ignored, as are images that have none with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
from mmktn.evaluation.functional.ap.matching import ImagePairs, MatchRules, match_images
from mmktn.evaluation.functional.ap.protocol import ANY_AREA, MAX_DETECTIONS, similarity_thresholds
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth, PersonTruth
from mmktn.evaluation.functional.masks.mask_iou import box_iou_matrix
from mmktn.evaluation.functional.segmentation.labels import (
    NUM_LABELS,
    PlacedLabels,
    SegmentationDetections,
    joint_histogram,
    true_parts,
)
from mmktn.surface.parts import COARSE_PART_NAMES

MATCH_IOU = 0.5
APP_THRESHOLDS: NDArray[np.float64] = np.arange(1, 10, dtype=np.float64) / 10
_ANY_AREA: NDArray[np.float64] = np.array([[0.0, ANY_AREA]])


@dataclass(frozen=True)
class PartCounts:
    """What one image adds.

    Attributes:
        persons: Pairs for AP^p, similarity ``app``.
        parts: Pairs of binary masks, similarity ``iou``; the category is the part 1..14.
        confusion: (15, 15) pixels of matched persons, true label first.
        num_matched: Persons with a detection.
        num_persons: Persons with part masks.
    """

    persons: list[ImagePairs]
    parts: list[ImagePairs]
    confusion: NDArray[np.int64]
    num_matched: int = 0
    num_persons: int = 0


def count_parts(truth: DensePoseTruth, detections: SegmentationDetections) -> PartCounts:
    """Compare the parts of one image.

    Args:
        truth: Ground truth.
        detections: Detections of one image with part labels 0..14.

    Returns:
        Pairs and pixel counts.

    Raises:
        ValueError: The image or a label is unknown, or a mask cannot be decoded.
    """
    if detections.image_id not in truth.images:
        raise ValueError(f"{detections.name}: image {detections.image_id} is not in {truth.name}")
    for k, labels in enumerate(detections.maps):
        if labels.size and labels.max() >= NUM_LABELS:
            raise ValueError(f"{detections.name}: map {k} holds label {labels.max()}, not 0..14")
    image_id = detections.image_id
    persons = [p for c in truth.categories for p in truth.persons.get((image_id, c), [])]
    annotated = [p for p in persons if p.part_masks is not None and not p.is_crowd]
    if not annotated:
        return PartCounts([], [], np.zeros((NUM_LABELS, NUM_LABELS), dtype=np.int64))
    others = [p for p in persons if p.part_masks is None or p.is_crowd]
    best = np.concatenate([detections.best(c, MAX_DETECTIONS) for c in truth.categories])
    best = best[np.argsort(-detections.scores[best], kind="mergesort")]
    return _Comparison(detections, best, annotated, others, truth.name).counts()


class _Comparison:
    """Detections of an image (D, best first) against its annotated persons (G)."""

    def __init__(
        self,
        detections: SegmentationDetections,
        best: NDArray[np.int64],
        annotated: list[PersonTruth],
        others: list[PersonTruth],
        name: str,
    ) -> None:
        self.image_id = detections.image_id
        self.best = best
        self.scores = detections.scores[best]
        boxes = detections.boxes_xywh[best]
        self.persons = [*annotated, *others]
        self.num_annotated = len(annotated)
        crowd = np.array([p.is_crowd for p in self.persons], dtype=bool)
        true_boxes = np.array([p.box_xywh for p in self.persons]).reshape(-1, 4)
        self.box_iou = box_iou_matrix(boxes, true_boxes, crowd)
        self.truths = [true_parts(p, name) for p in annotated]
        found = [
            PlacedLabels.of_box(detections.maps[k], box)
            for k, box in zip(best.tolist(), boxes, strict=True)
        ]
        self.areas_d = np.array([f.areas() for f in found]).reshape(-1, NUM_LABELS)
        self.areas_g = np.array([t.areas() for t in self.truths]).reshape(-1, NUM_LABELS)
        self.joint = np.zeros((len(found), len(annotated), NUM_LABELS, NUM_LABELS), dtype=np.int64)
        for d, g in np.argwhere(self.box_iou[:, : len(annotated)] > 0).tolist():
            self.joint[d, g] = joint_histogram(self.truths[g], found[d])

    def counts(self) -> PartCounts:
        """Return everything the image adds."""
        shared = np.diagonal(self.joint, axis1=2, axis2=3)[..., 1:]
        union = self.areas_d[:, None, 1:] + self.areas_g[None, :, 1:] - shared
        overlap = np.divide(shared, union, out=np.zeros(union.shape), where=union > 0)
        num_parts = np.maximum((union > 0).sum(axis=-1), 1)
        persons = self._pairs(
            0, np.arange(len(self.best)), self._all(), "app", overlap.sum(axis=-1) / num_parts
        )
        parts = []
        for part in range(1, NUM_LABELS):
            det = np.flatnonzero(self.areas_d[:, part])
            gt = np.flatnonzero(self.areas_g[:, part])
            if len(det) or len(gt):
                kept = np.concatenate([gt, self._all()[self.num_annotated :]])
                iou = overlap[np.ix_(det, gt)][..., part - 1]
                parts.append(self._pairs(part, det, kept, "iou", iou))
        confusion, matched = self._confusion()
        return PartCounts([persons], parts, confusion, matched, self.num_annotated)

    def _all(self) -> NDArray[np.int64]:
        return np.arange(len(self.persons))

    def _pairs(
        self,
        category: int,
        det: NDArray[np.int64],
        gt: NDArray[np.int64],
        name: str,
        similarity: NDArray[np.float64],
    ) -> ImagePairs:
        """Make the entry of the matching; persons without parts get 0 and are ignored."""
        padded = np.zeros((len(det), len(gt)))
        padded[:, : similarity.shape[1]] = similarity
        persons = [self.persons[g] for g in gt.tolist()]
        return ImagePairs(
            image_id=self.image_id,
            category_id=category,
            det_index=self.best[det],
            det_scores=self.scores[det],
            det_areas=np.ones(len(det)),
            gt_ids=np.array([p.annotation_id for p in persons], dtype=np.int64),
            gt_areas=np.ones(len(gt)),
            gt_ignored=gt >= self.num_annotated,
            gt_crowd=np.array([p.is_crowd for p in persons], dtype=bool),
            similarities={name: padded},
            box_iou=self.box_iou[np.ix_(det, gt)],
        )

    def _confusion(self) -> tuple[NDArray[np.int64], int]:
        """Return the pixels in the boxes of persons that a detection covers, best score first."""
        confusion = np.zeros((NUM_LABELS, NUM_LABELS), dtype=np.int64)
        free = np.ones(self.num_annotated, dtype=bool)
        for d in range(len(self.best)):
            iou = np.where(free, self.box_iou[d, : self.num_annotated], 0.0)
            g = int(iou.argmax())
            if iou[g] < MATCH_IOU:
                continue
            free[g] = False
            confusion += self.joint[d, g]
            # Outside the detection's box nothing is predicted.
            confusion[:, 0] += self.areas_g[g] - self.joint[d, g].sum(axis=1)
        return confusion, int(np.count_nonzero(~free))


def summarize_parts(counts: Sequence[PartCounts]) -> dict[str, Column]:
    """Return the scores of a set.

    Args:
        counts: One entry per image.

    Returns:
        mIoU, pixel_accuracy and IoU-<class> over matched persons, `matched` (their share), APp50
        and APp_vol (thresholds 0.1 to 0.9), and AP, AP50, AP75, AP-<part>, ... of part masks.
    """
    confusion = sum((c.confusion for c in counts), np.zeros((NUM_LABELS, NUM_LABELS), dtype=int))
    num_persons = sum(c.num_persons for c in counts)
    found = _pixel_columns(np.asarray(confusion), num_persons)
    matched = sum(c.num_matched for c in counts)
    found["matched"] = _share(matched, num_persons, "no person has dp_masks")
    persons = [pair for c in counts for pair in c.persons]
    curves = _curves(persons, "app", APP_THRESHOLDS, [0])
    middle = int(np.argmin(np.abs(APP_THRESHOLDS - 0.5)))
    for name, values in (("APp50", curves.precision[0, middle]), ("APp_vol", curves.precision[0])):
        value = mean_defined(values)
        reason = "" if value > NO_GROUND_TRUTH else "no person has dp_masks"
        found[name] = Column(value, reason)
    parts = [pair for c in counts for pair in c.parts]
    names = dict(enumerate(COARSE_PART_NAMES))
    curves = _curves(parts, "iou", similarity_thresholds(), range(1, NUM_LABELS))
    return found | columns(curves, 0, category_names=names, with_areas=False)


def evaluate_parts(
    truth: DensePoseTruth, detections: Sequence[SegmentationDetections]
) -> dict[str, float]:
    """Score the detections of a set.

    Args:
        truth: Ground truth.
        detections: One entry per image; an image that is not listed is not evaluated.

    Returns:
        Column name to fraction, -1 where undefined.
    """
    found = summarize_parts([count_parts(truth, each) for each in detections])
    return {name: column.value for name, column in found.items()}


def _curves(
    pairs: Sequence[ImagePairs],
    name: str,
    thresholds: NDArray[np.float64],
    categories: Sequence[int],
) -> PrecisionRecall:
    rules = MatchRules(
        thresholds, _ANY_AREA, id_zero_unmatched=False, box_rule="at_each_threshold",
        box_tie_takes_last=False,
    )  # fmt: skip
    ordered = sorted(pairs, key=lambda p: (p.category_id, p.image_id))
    return accumulate(
        ordered,
        match_images(ordered, [name], rules),
        thresholds=thresholds,
        category_ids=list(categories),
        num_similarities=1,
        area_names=("all",),
    )


def _pixel_columns(confusion: NDArray[np.int64], num_persons: int) -> dict[str, Column]:
    hits = np.diagonal(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    why = "no person has dp_masks" if not num_persons else "no annotated person was matched"
    values = [_share(int(h), int(u), why) for h, u in zip(hits, union, strict=True)]
    defined = [column.value for column in values if column.value >= 0]
    found = {
        "mIoU": Column(float(np.mean(defined))) if defined else Column(NO_GROUND_TRUTH, why),
        "pixel_accuracy": _share(int(hits.sum()), int(confusion.sum()), why),
    }
    names = (f"IoU-{name}" for name in COARSE_PART_NAMES)
    return found | dict(zip(names, values, strict=True))


def _share(part: int, whole: int, why: str) -> Column:
    return Column(part / whole) if whole else Column(NO_GROUND_TRUTH, why)
