"""Greedy matching of detections with ground truth, all thresholds and area ranges at once.

Source: COCO's matching loop with the additions of the official DensePose evaluator (switches in
``protocol.py``). The loop over detections, best score first, is kept; images, similarities, area
ranges and thresholds are array axes, so its cost is linear in the number of pairs with little
Python left.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_BOX_RULE_IOU = 0.8
_ALMOST_ONE = 1 - 1e-10
_BATCH_CELLS = 400_000


@dataclass(frozen=True)
class ImagePairs:
    """Detections and persons of one image and category, with their similarities.

    Attributes:
        image_id: Image.
        category_id: Category.
        det_index: (D,) positions in the result list, best score first.
        det_scores: (D,) scores in that order.
        det_areas: (D,) areas in pixels.
        gt_ids: (G,) annotation ids in file order.
        gt_areas: (G,) areas in pixels.
        gt_ignored: (G,) whether the person is ignored at any area.
        gt_crowd: (G,) whether the person may be matched more than once.
        similarities: Name to (D, G) similarity.
        box_iou: (D, G) overlap of boxes, or None where the box rule is not used.
    """

    image_id: int
    category_id: int
    det_index: NDArray[np.int64]
    det_scores: NDArray[np.float64]
    det_areas: NDArray[np.float64]
    gt_ids: NDArray[np.int64]
    gt_areas: NDArray[np.float64]
    gt_ignored: NDArray[np.bool_]
    gt_crowd: NDArray[np.bool_]
    similarities: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    box_iou: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class MatchRules:
    """What the matching depends on besides the pairs.

    Attributes:
        thresholds: (T,) similarity thresholds, rising.
        area_ranges: (A, 2) lowest and highest area.
        area_upper_inclusive: Whether an area equal to the upper limit is inside.
        id_zero_unmatched: A match with annotation id 0 counts as none.
        all_ignored_frees: Where every person is ignored, every detection is.
        box_rule: None, ``at_last_threshold`` or ``at_each_threshold``.
        box_tie_takes_last: Of equal box overlaps the ignored, then the later person wins.
    """

    thresholds: NDArray[np.float64]
    area_ranges: NDArray[np.float64]
    area_upper_inclusive: bool = True
    id_zero_unmatched: bool = True
    all_ignored_frees: bool = False
    box_rule: str | None = None
    box_tie_takes_last: bool = True


@dataclass(frozen=True)
class ImageMatches:
    """Result of the matching in one image and category.

    Attributes:
        dt_match: (M, A, T, D) index of the matched person, -1 for none.
        dt_true: (M, A, T, D) whether that counts as a match (id 0 may not).
        dt_ignored: (M, A, T, D) whether the detection counts neither way.
        gt_match: (M, A, T, G) index of the (last) detection matched with it, -1 for none.
        gt_ignored: (A, G) whether the person is ignored in the area range.
    """

    dt_match: NDArray[np.int32]
    dt_true: NDArray[np.bool_]
    dt_ignored: NDArray[np.bool_]
    gt_match: NDArray[np.int32]
    gt_ignored: NDArray[np.bool_]


def outside_range(
    areas: NDArray[np.float64], area_ranges: NDArray[np.float64], *, upper_inclusive: bool
) -> NDArray[np.bool_]:
    """Tell which areas lie outside which ranges.

    Args:
        areas: (..., N) areas.
        area_ranges: (A, 2) lowest and highest area.
        upper_inclusive: Whether the upper limit is inside.

    Returns:
        (..., A, N) True where outside.
    """
    low, high = area_ranges[:, :1], area_ranges[:, 1:]
    values = areas[..., None, :]
    above = values > high if upper_inclusive else values >= high
    return (values < low) | above


def match_images(
    pairs: Sequence[ImagePairs], names: Sequence[str], rules: MatchRules
) -> list[ImageMatches]:
    """Match the detections of every image with its persons.

    Args:
        pairs: One entry per image and category.
        names: Similarities to match by; M of them, in this order.
        rules: Thresholds, area ranges and protocol switches.

    Returns:
        One entry per image and category, in the order of the input.
    """
    found: list[ImageMatches | None] = [None] * len(pairs)
    for batch in _batches(pairs, len(names), rules):
        state = _Batch([pairs[k] for k in batch], names, rules)
        state.match()
        for place, k in enumerate(batch):
            found[k] = state.result(place)
    return [matches for matches in found if matches is not None]


def _batches(pairs: Sequence[ImagePairs], num_names: int, rules: MatchRules) -> Iterator[list[int]]:
    """Group images of similar size, so that padding stays small and memory bounded."""
    sizes = np.array([(len(p.gt_ids), len(p.det_index)) for p in pairs]).reshape(-1, 2)
    order = np.lexsort((sizes[:, 1], sizes[:, 0]))
    cells = num_names * len(rules.area_ranges) * len(rules.thresholds)
    batch: list[int] = []
    for k in order.tolist():
        width = max(int(sizes[k, 0]), int(sizes[k, 1]), 1)
        if batch and (len(batch) + 1) * width * cells > _BATCH_CELLS:
            yield batch
            batch = []
        batch.append(k)
    if batch:
        yield batch


class _Batch:
    """Padded arrays of several images. Axes: image I, similarity M, area A, threshold T, D or G."""

    def __init__(self, pairs: list[ImagePairs], names: Sequence[str], rules: MatchRules) -> None:
        self.pairs, self.rules = pairs, rules
        num_i = len(pairs)
        self.num_d = max(len(p.det_index) for p in pairs)
        self.num_g = max(len(p.gt_ids) for p in pairs)
        grid = (num_i, self.num_d, self.num_g)
        self.sims = np.zeros((num_i, len(names), self.num_d, self.num_g))
        self.box_iou = np.zeros(grid)
        self.gt_real = np.zeros((num_i, self.num_g), dtype=bool)
        self.gt_crowd = np.zeros((num_i, self.num_g), dtype=bool)
        self.gt_id_zero = np.zeros((num_i, self.num_g), dtype=bool)
        self.gt_ignored = np.ones((num_i, len(rules.area_ranges), self.num_g), dtype=bool)
        det_outside = np.zeros((num_i, len(rules.area_ranges), self.num_d), dtype=bool)
        inclusive = rules.area_upper_inclusive
        for i, p in enumerate(pairs):
            d, g = len(p.det_index), len(p.gt_ids)
            for m, name in enumerate(names):
                self.sims[i, m, :d, :g] = p.similarities[name]
            if p.box_iou is not None:
                self.box_iou[i, :d, :g] = p.box_iou
            self.gt_real[i, :g] = True
            self.gt_crowd[i, :g] = p.gt_crowd
            self.gt_id_zero[i, :g] = p.gt_ids == 0
            outside = outside_range(p.gt_areas, rules.area_ranges, upper_inclusive=inclusive)
            self.gt_ignored[i, :, :g] = p.gt_ignored | outside
            det_outside[i, :, :d] = outside_range(
                p.det_areas, rules.area_ranges, upper_inclusive=inclusive
            )
        self.det_outside = det_outside
        shape = (num_i, len(names), len(rules.area_ranges), len(rules.thresholds))
        self.dt_match = np.full((*shape, self.num_d), -1, dtype=np.int32)
        self.gt_match = np.full((*shape, self.num_g), -1, dtype=np.int32)
        self.dt_ignored = np.zeros((*shape, self.num_d), dtype=bool)

    def match(self) -> None:
        """Run the greedy loop, the box rule and the area rule."""
        if self.rules.all_ignored_frees:
            free = np.asarray(self.gt_ignored.all(axis=-1))
            self.dt_ignored |= free[:, None, :, None, None]
        if self.num_g:
            for d in range(self.num_d):
                self._match_detection(d)
        if self.rules.box_rule is not None and self.num_g:
            last_only = self.rules.box_rule == "at_last_threshold"
            first = len(self.rules.thresholds) - 1 if last_only else 0
            for d in range(self.num_d):
                self._match_box(d, first)
        unmatched = ~self._counts_as_match(self.dt_match)
        self.dt_ignored |= unmatched & self.det_outside[:, None, :, None, :]

    def _counts_as_match(self, match: NDArray[np.int32]) -> NDArray[np.bool_]:
        counts: NDArray[np.bool_] = np.asarray(match >= 0)
        if self.rules.id_zero_unmatched and self.gt_id_zero.any():
            rows = np.arange(len(match)).reshape(-1, *([1] * (match.ndim - 1)))
            counts &= ~self.gt_id_zero[rows, match]
        return counts

    def _match_detection(self, d: int) -> None:
        sims = self.sims[:, :, None, None, d, :]
        limits = np.minimum(self.rules.thresholds, _ALMOST_ONE)[:, None]
        free = (self.gt_match < 0) | self.gt_crowd[:, None, None, None, :]
        allowed = free & (sims >= limits) & (sims != 0) & self.gt_real[:, None, None, None, :]
        regular = allowed & ~self.gt_ignored[:, None, :, None, :]
        allowed = np.where(regular.any(axis=-1, keepdims=True), regular, allowed)
        hit: NDArray[np.bool_] = np.asarray(allowed.any(axis=-1))
        if not hit.any():
            return
        best = _last_argmax(np.where(allowed, sims, -1.0))
        self._store(d, 0, hit, best)
        ignored = self._ignored_at(best)
        self.dt_ignored[..., d] = np.where(hit, ignored, self.dt_ignored[..., d])

    def _ignored_at(self, best: NDArray[np.int64]) -> NDArray[np.bool_]:
        i = np.arange(best.shape[0])[:, None, None, None]
        a = np.arange(best.shape[2])[None, None, :, None]
        return self.gt_ignored[i, a, best]

    def _store(self, d: int, first: int, hit: NDArray[np.bool_], best: NDArray[np.int64]) -> None:
        self.dt_match[..., first:, d] = np.where(hit, best, self.dt_match[..., first:, d])
        i, m, a, t = np.nonzero(hit)
        self.gt_match[i, m, a, t + first, best[hit]] = d

    def _match_box(self, d: int, first: int) -> None:
        """Hand the ignore flag of the person with the best covered box to a detection."""
        unmatched = ~self._counts_as_match(self.dt_match[..., first:, d])
        iou = self.box_iou[:, None, None, None, d, :]
        if not (iou >= _BOX_RULE_IOU).any():
            return
        free = (self.gt_match[..., first:, :] < 0) | self.gt_crowd[:, None, None, None, :]
        allowed = free & (iou >= _BOX_RULE_IOU) & self.gt_real[:, None, None, None, :]
        allowed &= unmatched[..., None]
        hit = allowed.any(axis=-1)
        ignored = np.broadcast_to(self.gt_ignored[:, None, :, None, :], allowed.shape)
        regular_iou = np.where(allowed & ~ignored, iou, -1.0)
        ignored_iou = np.where(allowed & ignored, iou, -1.0)
        highest_regular, highest_ignored = regular_iou.max(axis=-1), ignored_iou.max(axis=-1)
        takes_ignored = highest_ignored > highest_regular
        if self.rules.box_tie_takes_last:
            takes_ignored |= highest_ignored == highest_regular
        takes_ignored &= hit
        best = np.where(takes_ignored, _last_argmax(ignored_iou), _last_argmax(regular_iou))
        self._store(d, first, takes_ignored, best)
        if self.rules.box_rule == "at_last_threshold":
            # The flag of the last threshold overrides all thresholds, true positives included.
            flag = np.where(hit, takes_ignored, self.dt_ignored[..., d])
            self.dt_ignored[..., d] = flag
        else:
            self.dt_ignored[..., d] |= takes_ignored

    def result(self, place: int) -> ImageMatches:
        """Cut one image out of the batch."""
        p = self.pairs[place]
        d, g = len(p.det_index), len(p.gt_ids)
        match = self.dt_match[place : place + 1, ..., :d]
        counts = match >= 0
        if self.rules.id_zero_unmatched and g:
            counts &= p.gt_ids[match] != 0
        return ImageMatches(
            dt_match=match[0].copy(),
            dt_true=counts[0],
            dt_ignored=self.dt_ignored[place, ..., :d].copy(),
            gt_match=self.gt_match[place, ..., :g].copy(),
            gt_ignored=self.gt_ignored[place, :, :g].copy(),
        )


def _last_argmax(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Position of the maximum along the last axis, the last one of equals."""
    return values.shape[-1] - 1 - np.argmax(values[..., ::-1], axis=-1)
