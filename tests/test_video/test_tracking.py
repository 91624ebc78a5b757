"""Who is who from frame to frame."""

import numpy as np

from mmktn.video.people import FilmPerson, pack_people, unpack_people
from mmktn.video.tracking import Tracker, TrackingOptions
from tests.test_video.films import person

DARK, LIGHT = (40, 40, 90), (220, 180, 60)


def frame(*people):
    """A picture in which each (person, colour) has its colour."""
    image = np.full((60, 160, 3), 128, np.uint8)
    for who, colour in people:
        x, y = who.corner
        height, width = who.iuv.shape[1:]
        image[max(y, 0) : y + height, max(x, 0) : x + width] = colour
    return image


def crossing(k, *, hidden=range(0)):
    """Two people of one shape who walk through each other; the light one is behind."""
    dark, light = person(10 + 6 * k, 20), person(130 - 6 * k, 22)
    seen = [dark] if k in hidden else [dark, light]
    return seen, frame((light, LIGHT), (dark, DARK))


def test_people_keep_their_numbers_through_each_other():
    tracker = Tracker()
    tracks = []
    for k in range(20):
        people, image = crossing(k, hidden=range(8, 13))
        found = {p.box_xyxy[1]: p.track for p in tracker.update(people, image, 0.04)}
        tracks.append((found[20.0], found.get(22.0)))
    assert {dark for dark, _ in tracks} == {tracks[0][0]}
    assert {light for _, light in tracks} == {tracks[0][1], None}
    assert tracks[0][0] != tracks[0][1]


def test_colours_tell_who_comes_back_after_a_jump():
    """Boxes alone would exchange the two: each stands where the other one was."""
    tracker = Tracker()
    first, second = person(40, 20), person(53, 20)
    for _ in range(4):
        before = tracker.update([first, second], frame((first, DARK), (second, LIGHT)), 0.04)
    numbers = {p.box_xyxy[0]: p.track for p in before}
    for _ in range(3):
        tracker.update([], frame(), 0.2)
    swapped = frame((person(40, 20), LIGHT), (person(53, 20), DARK))
    after = {p.box_xyxy[0]: p.track for p in tracker.update([first, second], swapped, 0.2)}
    assert after == {40.0: numbers[53.0], 53.0: numbers[40.0]}
    assert first.track == second.track == 0  # what is handed in is not changed


def test_weak_people_go_on_with_a_track_and_begin_none():
    tracker = Tracker(TrackingOptions(start_score=0.5))
    who = person(40, 20, score=0.9)
    image = frame((who, DARK))
    assert tracker.update([person(40, 20, score=0.4)], image, 0.04) == []
    (first,) = tracker.update([who], image, 0.04)
    (weak,) = tracker.update([person(41, 20, score=0.2)], image, 0.04)
    assert (weak.track, weak.hits) == (first.track, 2)


def test_a_part_of_a_person_found_again_is_left_out():
    tracker = Tracker()
    whole, part = person(40, 10, size_hw=(40, 20)), person(44, 14, size_hw=(10, 8), score=0.8)
    found = tracker.update([part, whole], frame((whole, DARK)), 0.04)
    assert [p.box_xyxy[0] for p in found] == [40.0]
    # Nor does a strong part take the place of the whole.
    strong = person(44, 14, size_hw=(10, 8), score=0.95)
    (kept,) = Tracker().update([strong, whole], frame((whole, DARK)), 0.04)
    assert kept.iuv.shape == (3, 40, 20)


def test_a_track_waits_for_a_while():
    tracker = Tracker(TrackingOptions(patience_s=1.0))
    who = person(40, 20)
    image = frame((who, DARK))
    for _ in range(3):
        (first,) = tracker.update([who], image, 0.04)
    tracker.update([], image, 0.9)
    (back,) = tracker.update([who], image, 0.05)
    assert back.track == first.track
    tracker.update([], image, 1.1)
    (new,) = tracker.update([who], image, 0.04)
    assert new.track != first.track


def test_a_tracker_that_is_restored_goes_on_alike():
    one = Tracker()
    for k in range(9):
        one.update(*crossing(k), 0.04)
    two = Tracker()
    two.restore({name: array.copy() for name, array in one.state().items()})
    for k in range(9, 20):
        people, image = crossing(k)
        assert [(p.track, p.hits) for p in one.update(people, image, 0.04)] == [
            (p.track, p.hits) for p in two.update(people, image, 0.04)
        ]
    for name, array in one.state().items():
        np.testing.assert_array_equal(array, two.state()[name])


def test_people_are_packed_without_loss():
    frames = [[person(1, 2, track=3, hits=4)], [], [person(), person(5, 6, chart=9)]]
    found = unpack_people(pack_people(frames))
    assert [len(frame) for frame in found] == [1, 0, 2]
    for one, two in zip([p for f in frames for p in f], [p for f in found for p in f], strict=True):
        assert isinstance(two, FilmPerson)
        assert (one.track, one.hits, one.score) == (two.track, two.hits, two.score)
        np.testing.assert_array_equal(one.iuv, two.iuv)
        np.testing.assert_array_equal(one.box_xyxy, two.box_xyxy)
