"""Laws that hold for any input: masks and their codes, mirrors, matching, average precision."""

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_mask

from mmktn.evaluation.functional.ap.average_precision import accumulate, columns
from mmktn.evaluation.functional.ap.matching import ImagePairs, MatchRules, match_images
from mmktn.evaluation.functional.ap.protocol import AREA_RANGES, similarity_thresholds
from mmktn.formats.masks import decode_rle, rle_runs, segmentation_mask
from mmktn.structures import ChartOutput, DensePoseAnnotation, FlipRules
from mmktn.surface import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP

LAW = settings(max_examples=60, deadline=None)
RULES = FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, lambda charts, u, v: (u, v))
MATCHING = MatchRules(similarity_thresholds(), np.array(AREA_RANGES, dtype=float))


@LAW
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans()))
def test_a_mask_survives_its_codes(mask):
    """Packed by pycocotools, or its runs written out as COCO's crowds are."""
    packed = coco_mask.encode(np.asfortranarray(mask))
    runs = rle_runs(packed)
    assert runs.sum() == mask.size
    for code in (packed, {"size": list(mask.shape), "counts": runs.tolist()}):
        np.testing.assert_array_equal(decode_rle(code), mask)
        np.testing.assert_array_equal(segmentation_mask(code, mask.shape), mask)


@LAW
@given(
    count=st.integers(0, 3), rows=st.integers(1, 5), cells=st.integers(1, 6), seed=st.integers(0)
)
def test_maps_mirrored_twice_are_the_same(count, rows, cells, seed):
    generator = torch.Generator().manual_seed(seed % 2**32)
    channels = {
        "coarse_segm": 15,
        "fine_segm": 25,
        "u": 25,
        "v": 25,
        "body_mask": 2,
        "keypoint_heatmaps": 17,
    }
    maps = ChartOutput(
        {
            name: torch.rand(count, n, rows, cells, generator=generator)
            for name, n in channels.items()
        }
    )
    once = maps.flip(RULES)
    for name, twice in once.flip(RULES).items():
        assert torch.equal(twice, maps[name]), name
    sides = torch.tensor(KEYPOINT_FLIP)
    assert torch.equal(
        once["keypoint_heatmaps"], maps["keypoint_heatmaps"][:, sides].flip(dims=(-1,))
    )


@LAW
@given(
    charts=st.lists(st.integers(1, 24), max_size=6),
    seed=st.integers(0, 2**32 - 1),
)
def test_labels_mirrored_twice_are_the_same(charts, seed):
    generator = torch.Generator().manual_seed(seed)
    person = DensePoseAnnotation(
        point_xy=torch.rand(len(charts), 2, generator=generator),
        point_charts=torch.tensor(charts, dtype=torch.int64),
        point_uv=torch.rand(len(charts), 2, generator=generator),
        coarse_map=torch.randint(0, 15, (256, 256), generator=generator, dtype=torch.uint8),
        keypoint_xy=torch.rand(17, 2, generator=generator) * 3 - 1,
        keypoint_visible=torch.randint(0, 3, (17,), generator=generator),
    )
    twice = person.flip(RULES).flip(RULES)
    for name in ("point_charts", "point_uv", "coarse_map", "keypoint_visible"):
        assert torch.equal(getattr(twice, name), getattr(person, name)), name
    for name in ("point_xy", "keypoint_xy"):
        torch.testing.assert_close(getattr(twice, name), getattr(person, name))


@st.composite
def image_pairs(draw, image_id=1):
    """Detections and persons of one image; coarse values, so that ties are common."""
    found, true = draw(st.integers(0, 6)), draw(st.integers(1, 5))
    twentieths = st.integers(0, 20)
    scores = draw(arrays(np.int64, found, elements=st.integers(1, 5)))
    return ImagePairs(
        image_id=image_id,
        category_id=1,
        det_index=np.arange(found),
        det_scores=-np.sort(-scores) / 5,
        det_areas=np.full(found, 5000.0),
        gt_ids=np.arange(1, true + 1),
        gt_areas=np.full(true, 5000.0),
        gt_ignored=np.zeros(true, bool),
        gt_crowd=np.zeros(true, bool),
        similarities={"s": draw(arrays(np.int64, (found, true), elements=twentieths)) / 20},
    )


@LAW
@given(image_pairs())
def test_matching_is_greedy_and_one_to_one(pairs):
    (matches,) = match_images([pairs], ["s"], MATCHING)
    for t, threshold in enumerate(MATCHING.thresholds):
        chosen = matches.dt_match[0, 0, t]
        taken = chosen[chosen >= 0]
        assert len(set(taken.tolist())) == len(taken)
        likeness = pairs.similarities["s"]
        assert (likeness[chosen >= 0, taken] >= min(threshold, 1 - 1e-10)).all()
        # Whoever is left over on both sides is not alike.
        free = np.setdiff1d(np.arange(len(pairs.gt_ids)), taken)
        rest = likeness[chosen < 0][:, free]
        assert (rest < min(threshold, 1 - 1e-10)).all()


def average_precision(pairs):
    curves = accumulate(
        pairs,
        match_images(pairs, ["s"], MATCHING),
        thresholds=MATCHING.thresholds,
        category_ids=[1],
        num_similarities=1,
    )
    return columns(curves, 0)["AP"].value


@LAW
@given(first=image_pairs(1), second=image_pairs(2))
def test_average_precision_sees_the_order_of_scores_alone(first, second):
    pairs = [first, second]
    value = average_precision(pairs)
    assert 0 <= value <= 1
    assert average_precision(pairs[::-1]) == value
    cubed = [replace(each, det_scores=each.det_scores**3 / 2) for each in pairs]
    assert average_precision(cubed) == value


@LAW
@given(pairs=image_pairs())
def test_a_wrong_detection_never_helps_and_costs_nothing_below_all_others(pairs):
    value = average_precision([pairs])
    count = len(pairs.det_scores)
    wrong = np.zeros((1, len(pairs.gt_ids)))
    for place, score in ((count, 0.0), (0, 2.0)):
        more = replace(
            pairs,
            det_index=np.arange(count + 1),
            det_scores=np.insert(pairs.det_scores, place, score),
            det_areas=np.full(count + 1, 5000.0),
            similarities={"s": np.insert(pairs.similarities["s"], place, wrong, axis=0)},
        )
        changed = average_precision([more])
        assert changed <= value if place == 0 and count else changed == value
