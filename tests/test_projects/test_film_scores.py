"""Scores of films: what a made-up error adds, and nothing else."""

import numpy as np
import pytest

from mmktn.surface import load_surface
from mmktn.video.people import FilmPerson
from tests.tool_modules import tool_module

_scores = tool_module("projects/film/scores.py")
FrameTruth, score_film = _scores.FrameTruth, _scores.score_film

RATE = 25.0


def scene(frames=12, step=3):
    """A person of two charts who walks to the right with points on a grid of the body."""
    truth = []
    for t in range(frames):
        iuv = np.zeros((3, 60, 30), np.uint8)
        iuv[0, :30], iuv[0, 30:] = 2, 9
        iuv[1] = np.linspace(60, 180, 60)[:, None].astype(np.uint8)
        iuv[2] = np.linspace(60, 180, 30)[None].astype(np.uint8)
        x = 10 + step * t + (t % 4)  # not steady, or a lag would be a shift
        box = np.array([x, 20, x + 30, 80], np.float64)
        rows, columns = np.mgrid[4:60:8, 4:30:6]
        points = np.stack([columns.ravel() + x + 0.5, rows.ravel() + 20.5], axis=1)
        points = np.concatenate([points, np.ones((len(points), 1))], axis=1)
        truth.append(FrameTruth([FilmPerson(box, 1.0, iuv, 1, t + 1)], {1: points}))
    return truth


def changed(person, **changes):
    values = {"box_xyxy": person.box_xyxy, "iuv": person.iuv, "track": person.track} | changes
    return FilmPerson(values["box_xyxy"], 0.9, values["iuv"], values["track"], 1)


def score(truth, found):
    return score_film(truth, found, surface=load_surface(), rate=RATE)


def test_the_truth_has_no_faults():
    truth = scene()
    found = score(truth, [list(t.people) for t in truth])
    assert found.drift_cm == pytest.approx(0, abs=1e-9)
    assert (found.chart_changes, found.id_switches, found.numbers) == (0, 0, 0)
    assert (found.found, found.false_people) == (1, 0)
    assert found.box_lag == pytest.approx(0, abs=1e-9)
    assert found.chart_lag == pytest.approx(0, abs=1e-9)
    assert found.box_jitter == pytest.approx(0, abs=1e-9)


def test_a_constant_error_does_not_drift_and_a_changing_one_does():
    truth = scene()
    constant, shaking = [], []
    for t, frame in enumerate(truth):
        (person,) = frame.people
        for out, shift in ((constant, 20), (shaking, 20 * (t % 2))):
            iuv = person.iuv.copy()
            iuv[1] += np.uint8(shift)
            out.append([changed(person, iuv=iuv)])
    assert score(truth, constant).drift_cm == pytest.approx(0, abs=1e-9)
    assert score(truth, constant).error_cm > 1
    assert score(truth, shaking).drift_cm > 1


def test_chart_changes_are_counted_a_second_and_point():
    truth = scene()
    found = []
    for t, frame in enumerate(truth):
        iuv = frame.people[0].iuv.copy()
        if t % 2:
            iuv[0, :30] = 1  # every point of the upper half changes with every frame
        found.append([changed(frame.people[0], iuv=iuv)])
    rows = np.arange(4, 60, 8)
    share = (rows < 30).mean()
    assert score(truth, found).chart_changes == pytest.approx(share * RATE)


def test_switches_numbers_and_false_people():
    truth = scene()
    numbers = [1, 1, 1, 5, 5, 1, 1, 1, 1, 1, 1, 1]
    away = FilmPerson(np.array([200.0, 0, 210, 20]), 0.9, np.ones((3, 20, 10), np.uint8), 7, 1)
    found = [
        [changed(t.people[0], track=n), *([away] if k < 3 else [])]
        for k, (t, n) in enumerate(zip(truth, numbers, strict=True))
    ]
    scores = score(truth, found)
    assert (scores.id_switches, scores.numbers) == (2, 1)
    assert scores.false_people == pytest.approx(3 / 15)


def test_what_comes_a_frame_late_has_a_lag_of_one():
    truth = scene(24)
    late = [list(truth[max(t - 1, 0)].people) for t in range(len(truth))]
    found = score(truth, late)
    assert found.box_lag == pytest.approx(1, abs=0.25)
    assert found.chart_lag == pytest.approx(1, abs=0.25)


def test_films_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="2 frames of predictions for 12"):
        score(scene(), [[], []])
