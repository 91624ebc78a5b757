"""A person is painted once, whatever boxes the detector gives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmktn.formats.chart_arrays import ChartArrays
from mmktn.formats.distinct_people import distinct_people


def person(x, y, w, h, body=None):
    labels = np.ones((h, w), np.uint8) if body is None else body.astype(np.uint8)
    return ChartArrays(labels, np.zeros((2, h, w), "f"), xy=(x, y))


def test_the_upper_body_of_a_better_person_goes():
    whole, upper, beside = person(10, 10, 20, 60), person(8, 10, 22, 25), person(40, 10, 20, 60)
    scores = np.array([0.5, 0.9, 0.4])
    assert distinct_people([upper, whole, beside], scores, 0.5).tolist() == [False, True, True]
    assert distinct_people([upper, whole, beside], scores[::-1], 0.5).tolist() == [
        False,
        True,
        True,
    ]
    # The other way round, 500 of the whole person's 1200 pixels are the upper body's.
    assert distinct_people([upper, whole], np.array([0.9, 0.5]), 0.5).tolist() == [True, True]
    assert distinct_people([upper, whole], np.array([0.9, 0.5]), 0.4).tolist() == [True, False]


def test_bodies_count_not_boxes():
    left = np.zeros((10, 20), bool)
    left[:, :10] = True
    pair = [person(0, 0, 20, 10, left), person(0, 0, 20, 10, ~left)]
    assert distinct_people(pair, np.array([0.5, 0.6]), 0.0).all()
    nobody = person(0, 0, 20, 10, np.zeros((10, 20)))
    assert distinct_people([*pair, nobody], np.array([0.5, 0.6, 0.1]), 0.0).all()


def test_who_is_dropped_covers_nobody():
    """Each of three covers most of the next one, and the second one goes."""
    chain = [person(x, 0, 10, 10) for x in (0, 4, 8)]
    assert distinct_people(chain, np.array([0.9, 0.8, 0.7]), 0.5).tolist() == [True, False, True]


def test_equal_scores_keep_the_first():
    twice = [person(-3, -2, 5, 5)] * 2
    assert distinct_people(twice, np.array([0.5, 0.5]), 0.9).tolist() == [True, False]
    assert distinct_people([], np.zeros(0), 0.5).tolist() == []


@given(
    boxes=st.lists(
        st.tuples(*[st.integers(-9, 20)] * 2, *[st.integers(1, 12)] * 2), min_size=1, max_size=6
    ),
    max_overlap=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_what_stays_is_covered_by_nobody_better(boxes, max_overlap, seed):
    rng = np.random.default_rng(seed)
    people = [person(x, y, w, h, rng.random((h, w)) < 0.7) for x, y, w, h in boxes]
    scores = rng.permutation(len(people)) / 10
    painted = np.zeros((len(people), 60, 60), bool)
    for (x, y, w, h), one, image in zip(boxes, people, painted, strict=True):
        image[y + 20 : y + 20 + h, x + 20 : x + 20 + w] = one.labels > 0
    keep = distinct_people(people, scores, max_overlap)
    for i, image in enumerate(painted):
        better = [painted[j] for j in np.flatnonzero(keep) if scores[j] > scores[i]]
        worst = max(((image & other).sum() for other in better), default=0)
        assert keep[i] == (worst <= max_overlap * image.sum())
    assert keep[scores.argmax()]
