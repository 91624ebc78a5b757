"""Smoothing: quieter, not late, and nothing invented."""

import numpy as np
import pytest

from mmktn.video.people import FilmPerson
from mmktn.video.smoothing import FilmMoment, SmoothingOptions, smooth_frame
from tests.test_video.films import person

BOTH = SmoothingOptions.of(2)


def picture(x, y=20):
    """A body with a pattern at a place on a ground with another one."""
    rng = np.random.default_rng(3)
    ground = np.kron(rng.integers(60, 120, (15, 25)), np.ones((8, 8))).astype(np.uint8)
    body = np.kron(rng.integers(140, 255, (10, 6)), np.ones((4, 4))).astype(np.uint8)
    image = np.repeat(ground[:, :, None], 3, axis=2)
    image[y : y + 40, x : x + 24] = body[:, :, None]
    return image


def body_map():
    """(3, 40, 24): chart 1 above chart 2, U along the rows."""
    iuv = np.zeros((3, 40, 24), np.uint8)
    iuv[0, :20], iuv[0, 20:] = 1, 2
    iuv[1] = np.linspace(20, 220, 40)[:, None].astype(np.uint8)
    return iuv


def walk(count=5, step=4, *, errors=()):
    """Moments of a body that walks to the right; some frames have other charts in a corner."""
    moments = {}
    for k in range(count):
        x, iuv = 40 + step * k, body_map()
        if k in errors:
            iuv[0, :12, :12] = 9
            iuv[1, 20:] = 255
        box = np.array([x, 20, x + 24, 60], np.float64)
        moments[k - count // 2] = FilmMoment(picture(x), [FilmPerson(box, 0.9, iuv, 1, k + 3)])
    return moments


def test_what_one_frame_says_alone_is_outvoted_on_a_moving_body():
    (found,) = smooth_frame(walk(errors=[2]), BOTH)
    labels = found.iuv[0, 2:-2, 2:-2]
    assert (labels == body_map()[0, 2:-2, 2:-2]).mean() > 0.97
    wrong = np.abs(found.iuv[1, 20:].astype(int) - body_map()[1, 20:])
    assert np.median(wrong) < 255 - 220  # U is drawn most of the way back


def test_a_still_answer_stays_as_it_is_and_comes_on_time():
    (found,) = smooth_frame(walk(), BOTH)
    np.testing.assert_allclose(found.box_xyxy, [48, 20, 72, 60], atol=1e-9)
    inner = found.iuv[:, 3:-3, 3:-3].astype(int)
    truth = body_map()[:, 3:-3, 3:-3].astype(int)
    assert (inner[0] == truth[0]).mean() > 0.98
    assert np.abs(inner[1] - truth[1])[inner[0] == truth[0]].mean() < 4


def test_a_box_that_became_small_does_not_cut_the_body_off():
    moments = walk()
    (own,) = moments[0].people
    for step in (-2, -1, 1, 2):
        (person,) = moments[step].people
        small = person.box_xyxy + np.array([4, 8, -4, -8])
        cut = FilmPerson(small, 0.9, np.ascontiguousarray(person.iuv[:, 8:-8, 4:-4]), 1, 9)
        moments[step] = FilmMoment(moments[step].image, [cut])
    (found,) = smooth_frame(moments, BOTH)
    assert found.window == own.window
    assert found.box_xyxy[0] > own.box_xyxy[0] + 1
    assert found.on_box().shape[1:] == tuple(
        (found.box_xyxy[[3, 2]] - found.box_xyxy[[1, 0]]).astype(int)
    )


def test_boxes_are_not_pulled_back_at_the_end_of_a_film():
    moments = {k: m for k, m in walk().items() if k <= 0}
    (found,) = smooth_frame(moments, BOTH)
    np.testing.assert_allclose(found.box_xyxy, [48, 20, 72, 60], atol=1e-9)


def test_shaking_boxes_become_quiet():
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 2, (60, 4))
    moments = []
    for k in range(60):
        box = np.array([30, 20, 54, 60]) + shifts[k]
        size = np.maximum((box[2:] - box[:2]).astype(int), 1)
        iuv = np.full((3, size[1], size[0]), 5, np.uint8)
        moments.append(FilmMoment(picture(30), [FilmPerson(box, 0.9, iuv, 1, 9)]))
    found = []
    for t in range(2, 58):
        (one,) = smooth_frame({k - t: moments[k] for k in range(t - 2, t + 3)}, BOTH)
        found.append(one.box_xyxy)
    shaken = np.abs(np.diff(shifts, 2, axis=0)).mean()
    assert np.abs(np.diff(found, 2, axis=0)).mean() < 0.4 * shaken


def test_a_person_missed_on_one_frame_is_filled_in_and_said_to_be():
    moments = walk()
    moments[0] = FilmMoment(moments[0].image, [])
    (found,) = smooth_frame(moments, BOTH)
    assert not found.seen
    assert found.track == 1
    np.testing.assert_allclose(found.box_xyxy, [48, 20, 72, 60], atol=1e-9)
    assert (found.iuv[0, 3:-3, 3:-3] == body_map()[0, 3:-3, 3:-3]).mean() > 0.95
    # Nobody is invented before the first or behind the last frame of a person.
    late = {k: FilmMoment(m.image, m.people if k > 0 else []) for k, m in walk().items()}
    assert smooth_frame(late, BOTH) == []


@pytest.mark.parametrize("options", [BOTH, SmoothingOptions.of(0)])
def test_who_is_seen_once_is_left_out_where_neighbours_can_tell(options):
    moments = walk()
    moments[0] = FilmMoment(moments[0].image, [*moments[0].people, person(70, 5, track=7, hits=1)])
    given = moments if not options.off else {0: moments[0]}
    tracks = [p.track for p in smooth_frame(given, options)]
    assert tracks == ([1] if not options.off else [1, 7])


def test_broken_frames_have_nobody():
    moments = walk()
    moments[0] = FilmMoment(None, [])
    assert smooth_frame(moments, BOTH) == []
    moments = walk()
    moments[1] = FilmMoment(None, [])
    assert len(smooth_frame(moments, BOTH)) == 1
