"""The array matching against the official loops, written out plainly."""

import numpy as np
import pytest

from mmktn.evaluation.functional.ap.matching import ImagePairs, match_images, outside_range
from mmktn.evaluation.functional.ap.protocol import (
    AREA_RANGES,
    CLEAN,
    OFFICIAL,
    similarity_thresholds,
)
from mmktn.evaluation.functional.densepose.scores import match_rules

THRESHOLDS = similarity_thresholds()


def random_pairs(seed, *, zero_id=False):
    rng = np.random.default_rng(seed)
    d, g = rng.integers(0, 8), rng.integers(0, 7)
    # Coarse values make ties in similarity, score and overlap common.
    ids = np.arange(1, g + 1)
    if zero_id and g:
        ids[rng.integers(g)] = 0
    return ImagePairs(
        image_id=seed,
        category_id=1,
        det_index=np.arange(d),
        det_scores=-np.sort(-rng.integers(0, 5, d) / 5),
        det_areas=rng.choice([500.0, 1024.0, 5000.0, 9216.0, 20000.0], d),
        gt_ids=ids,
        gt_areas=rng.choice([500.0, 1024.0, 5000.0, 9216.0, 20000.0], g),
        gt_ignored=rng.random(g) < 0.3,
        gt_crowd=rng.random(g) < 0.2,
        similarities={"s": rng.integers(0, 21, (d, g)) / 20},
        box_iou=rng.integers(0, 11, (d, g)) / 10,
    )


def best_person(values, floor, taken, pairs, order, ignored, *, stop_at_ignored):
    """The loop over persons of the official evaluator: place in `order` of the best, or -1."""
    best, chosen = floor, -1
    for place, g in enumerate(order):
        if taken[place] and not pairs.gt_crowd[g]:
            continue
        if stop_at_ignored and chosen > -1 and not ignored[order[chosen]] and ignored[g]:
            break
        if values[g] < best or values[g] == 0:
            continue
        best, chosen = values[g], place
    return chosen


def official_loops(pairs, area):
    """Matches of one area range, as the official evaluator finds them."""
    low, high = area
    ignored = pairs.gt_ignored | (pairs.gt_areas < low) | (pairs.gt_areas > high)
    order = np.argsort(ignored, kind="stable")
    num_t, num_d = len(THRESHOLDS), len(pairs.det_index)
    dt_id = np.zeros((num_t, num_d))
    gt_match = np.zeros((num_t, len(order)))
    dt_ignored = np.zeros((num_t, num_d), dtype=bool) | bool(ignored.all())
    sims, boxes = pairs.similarities["s"], pairs.box_iou
    for t, d in np.ndindex(num_t, num_d):
        floor = min(THRESHOLDS[t], 1 - 1e-10)
        k = best_person(sims[d], floor, gt_match[t], pairs, order, ignored, stop_at_ignored=True)
        if k > -1:
            dt_ignored[t, d] = ignored[order[k]]
            dt_id[t, d] = pairs.gt_ids[order[k]]
            gt_match[t, k] = d + 1
    for d in np.flatnonzero(dt_id[-1] == 0):  # only the last threshold is looked at
        k = best_person(boxes[d], 0.8, gt_match[-1], pairs, order, ignored, stop_at_ignored=False)
        if k > -1:
            dt_ignored[:, d] = ignored[order[k]]
            if ignored[order[k]]:
                dt_id[-1, d] = pairs.gt_ids[order[k]]
                gt_match[-1, k] = d + 1
    outside = (pairs.det_areas < low) | (pairs.det_areas > high)
    dt_ignored |= (dt_id == 0) & outside
    return dt_id, dt_ignored, gt_match, order


@pytest.mark.parametrize("zero_id", [False, True])
def test_official_rules_equal_the_plain_loops(zero_id):
    pairs = [random_pairs(seed, zero_id=zero_id) for seed in range(150)]
    matches = match_images(pairs, ["s"], match_rules(OFFICIAL, THRESHOLDS))
    for entry, match in zip(pairs, matches, strict=True):
        for a, area in enumerate(AREA_RANGES):
            dt_id, dt_ignored, gt_match, order = official_loops(entry, area)
            index = match.dt_match[0, a]
            found = np.where(index >= 0, np.append(entry.gt_ids, 0)[index], 0)
            assert np.array_equal(found, dt_id)
            assert np.array_equal(match.dt_true[0, a], dt_id != 0)
            assert np.array_equal(match.dt_ignored[0, a], dt_ignored)
            assert np.array_equal(match.gt_match[0, a][:, order] + 1, gt_match)


def one_image(**changes):
    fields = {
        "image_id": 1, "category_id": 1, "det_index": np.arange(1), "det_scores": np.ones(1),
        "det_areas": np.full(1, 2000.0), "gt_ids": np.array([5]), "gt_areas": np.full(1, 2000.0),
        "gt_ignored": np.zeros(1, dtype=bool), "gt_crowd": np.zeros(1, dtype=bool),
        "similarities": {"s": np.ones((1, 1))}, "box_iou": np.ones((1, 1)),
    } | changes  # fmt: skip
    return ImagePairs(**fields)


def match_one(protocol, **changes):
    rules = match_rules(protocol, THRESHOLDS)
    return match_images([one_image(**changes)], ["s"], rules)[0]


def test_annotation_of_id_zero_is_a_match_only_in_the_clean_protocol():
    ids = np.array([0])
    assert not match_one(OFFICIAL, gt_ids=ids).dt_true.any()
    assert match_one(CLEAN, gt_ids=ids).dt_true[0, 0].all()


def test_detections_without_annotated_persons_are_free_only_in_the_official_protocol():
    nothing = {
        "gt_ids": np.zeros(0, dtype=int), "gt_areas": np.zeros(0), "gt_crowd": np.zeros(0, bool),
        "gt_ignored": np.zeros(0, dtype=bool), "similarities": {"s": np.zeros((1, 0))},
        "box_iou": np.zeros((1, 0)),
    }  # fmt: skip
    assert match_one(OFFICIAL, **nothing).dt_ignored.all()
    assert not match_one(CLEAN, **nothing).dt_ignored[0, 0].any()


def two_persons(sim):
    """A detection on an annotated person and on an unannotated twin with the same box."""
    return {
        "gt_ids": np.array([5, 6]), "gt_areas": np.full(2, 2000.0),
        "gt_crowd": np.zeros(2, dtype=bool), "gt_ignored": np.array([False, True]),
        "similarities": {"s": np.array([[sim, 0.0]])}, "box_iou": np.ones((1, 2)),
    }  # fmt: skip


def test_box_rule_overrides_true_positives_only_in_the_official_protocol():
    # Similarity 0.7: a match up to 0.70, none at 0.95, where the twin's box takes the detection.
    official = match_one(OFFICIAL, **two_persons(0.7))
    assert official.dt_ignored[0, 0].all()
    clean = match_one(CLEAN, **two_persons(0.7))
    assert clean.dt_true[0, 0, :5].all()
    assert not clean.dt_ignored[0, 0].any()


def test_box_rule_frees_a_detection_on_an_unannotated_person_at_every_threshold():
    clean = match_one(CLEAN, gt_ignored=np.array([True]), similarities={"s": np.zeros((1, 1))})
    assert clean.dt_ignored[0, 0].all()
    assert (clean.dt_match[0, 0] == 0).all()


def test_a_crowd_may_be_matched_by_several_detections():
    changes = {
        "det_index": np.arange(3), "det_scores": np.ones(3), "det_areas": np.full(3, 2000.0),
        "similarities": {"s": np.ones((3, 1))}, "box_iou": np.zeros((3, 1)),
    }  # fmt: skip
    assert (match_one(OFFICIAL, **changes).dt_match[0, 0, 0] >= 0).sum() == 1
    changes["gt_crowd"] = np.array([True])
    assert (match_one(OFFICIAL, **changes).dt_match[0, 0, 0] >= 0).sum() == 3


def test_limit_of_two_area_ranges_belongs_to_both_or_to_one():
    areas = np.array([1024.0, 9216.0])
    both = ~outside_range(areas, AREA_RANGES, upper_inclusive=True)
    one = ~outside_range(areas, AREA_RANGES, upper_inclusive=False)
    assert both[1:].tolist() == [[True, True], [False, True]]
    assert one[1:].tolist() == [[True, False], [False, True]]


def test_similarities_are_matched_independently_of_each_other():
    pairs = [random_pairs(seed) for seed in range(40)]
    rng = np.random.default_rng(0)
    for p in pairs:
        p.similarities["r"] = rng.random(p.similarities["s"].shape)
    rules = match_rules(OFFICIAL, THRESHOLDS)
    together = match_images(pairs, ["r", "s"], rules)
    alone = match_images(pairs, ["s"], rules)
    for a, b in zip(together, alone, strict=True):
        assert np.array_equal(a.dt_match[1], b.dt_match[0])
        assert np.array_equal(a.dt_ignored[1], b.dt_ignored[0])
