"""How well people of a film are followed and how quiet their charts are, against exact truth.

A body point stands for one place of the skin. Where a prediction says something else about it on
the next frame, it drifts: the distance on the body at rest between what is said on two frames. A
constant error does not drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mmktn.surface.body_surface import BodySurface
from mmktn.surface.parts import NUM_CHARTS
from mmktn.video.people import FilmPerson
from mmktn.video.tracking import box_overlap

_MIN_OVERLAP = 0.4
_MIN_CHART_PIXELS = 30

# Number of a true person -> (that person, the one found).
Match = dict[int, tuple[FilmPerson, FilmPerson]]


@dataclass(frozen=True)
class FrameTruth:
    """What a frame shows.

    Attributes:
        people: The true persons, `track` being their numbers.
        points: Number of a person -> (P, 3) column, row and whether the body point is seen; the
            same P points on every frame.
    """

    people: Sequence[FilmPerson]
    points: dict[int, NDArray[np.float64]]


@dataclass(frozen=True)
class FilmScores:
    """What was measured.

    Attributes:
        drift_cm: Mean distance on the body between what two frames say about a body point.
        far_share: Share of these of more than 10 cm.
        chart_changes: Changes of chart per second and body point, where the truth has none.
        error_cm: Median distance on the body to the truth.
        id_switches: How often a person's number changes.
        numbers: How many numbers were given out beyond one per person.
        false_people: Share of people found who are none.
        found: Share of persons and frames that were found.
        box_lag: Frames by which box centres come late; negative: early.
        chart_lag: Frames by which centres of charts come late.
        box_jitter: Mean second difference of box corners beyond the truth's, share of the height.
    """

    drift_cm: float
    far_share: float
    chart_changes: float
    error_cm: float
    id_switches: int
    numbers: int
    false_people: float
    found: float
    box_lag: float
    chart_lag: float
    box_jitter: float


def score_film(
    truth: Sequence[FrameTruth],
    found: Sequence[Sequence[FilmPerson]],
    *,
    surface: BodySurface,
    rate: float,
) -> FilmScores:
    """Compare a film's people with the truth.

    Args:
        truth: What each frame shows.
        found: The people found on each frame.
        surface: The body that charts are of.
        rate: Frames a second.

    Returns:
        The scores.

    Raises:
        ValueError: `truth` and `found` have different numbers of frames.
    """
    if len(truth) != len(found):
        raise ValueError(f"{len(found)} frames of predictions for {len(truth)} of truth")
    matches = [_matched(t.people, f) for t, f in zip(truth, found, strict=True)]
    seen = sum(len(t.people) for t in truth)
    given = sum(len(f) for f in found)
    hit = sum(len(m) for m in matches)
    switches, numbers = _identities(matches)
    pairs = _Points(truth, matches, surface)
    drift, changes, per_pair = pairs.drift()
    return FilmScores(
        drift_cm=_mean(drift),
        far_share=_mean(np.asarray(drift) > 10),
        chart_changes=changes / max(per_pair, 1) * rate,
        error_cm=float(np.median(pairs.errors)) if len(pairs.errors) else float("nan"),
        id_switches=switches,
        numbers=numbers,
        false_people=(given - hit) / max(given, 1),
        found=hit / max(seen, 1),
        box_lag=_lag(_box_ways(matches)),
        chart_lag=_lag(_chart_ways(matches)),
        box_jitter=_jitter(matches),
    )


def _matched(people: Sequence[FilmPerson], found: Sequence[FilmPerson]) -> Match:
    """Find who is who."""
    if not people or not found:
        return {}
    overlap = np.array([[box_overlap(p.box_xyxy, f.box_xyxy) for f in found] for p in people])
    return {
        people[row].track: (people[row], found[column])
        for row, column in zip(*linear_sum_assignment(-overlap), strict=True)
        if overlap[row, column] >= _MIN_OVERLAP
    }


def _identities(matches: Sequence[Match]) -> tuple[int, int]:
    last: dict[int, int] = {}
    given: dict[int, set[int]] = {}
    switches = 0
    for match in matches:
        for number, (_, person) in match.items():
            switches += last.get(number, person.track) != person.track
            last[number] = person.track
            given.setdefault(number, set()).add(person.track)
    return switches, sum(len(tracks) - 1 for tracks in given.values())


class _Points:
    """What is said about body points, frame by frame."""

    def __init__(
        self,
        truth: Sequence[FrameTruth],
        matches: Sequence[Match],
        surface: BodySurface,
    ) -> None:
        self.said: list[dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]] = []
        self.true_charts: list[dict[int, NDArray[np.int64]]] = []
        self.errors: list[float] = []
        for frame, match in zip(truth, matches, strict=True):
            said, true = {}, {}
            for number, (person, found) in match.items():
                points = frame.points[number]
                true_chart, true_place = _said(person, points, surface)
                chart, place = _said(found, points, surface)
                said[number], true[number] = (chart, place), true_chart
                gap = np.linalg.norm(place - true_place, axis=1) * 100
                self.errors.extend(gap[np.isfinite(gap)].tolist())
            self.said.append(said)
            self.true_charts.append(true)

    def drift(self) -> tuple[list[float], int, int]:
        """Distances between neighbouring frames, changes of chart, and pairs looked at."""
        distances: list[float] = []
        changes = pairs = 0
        for t in range(len(self.said) - 1):
            for number in self.said[t].keys() & self.said[t + 1].keys():
                (chart0, place0), (chart1, place1) = self.said[t][number], self.said[t + 1][number]
                true0, true1 = self.true_charts[t][number], self.true_charts[t + 1][number]
                steady = (true0 > 0) & (true0 == true1)
                pairs += int(steady.sum())
                changes += int((steady & (chart0 != chart1)).sum())
                gap = np.linalg.norm(place1 - place0, axis=1) * 100
                distances.extend(gap[steady & np.isfinite(gap)].tolist())
        return distances, changes, pairs


def _said(
    person: FilmPerson, points: NDArray[np.float64], surface: BodySurface
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(P,) chart at the pixels of body points, and (P, 3) the place on the body at rest, metres."""
    x, y = person.corner
    column, row = (np.floor(points[:, k]).astype(np.int64) - (x, y)[k] for k in (0, 1))
    height, width = person.iuv.shape[1:]
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    inside &= points[:, 2] > 0
    values = person.iuv[:, np.where(inside, row, 0), np.where(inside, column, 0)]
    charts = np.where(inside, values[0], 0).astype(np.int64)
    places = np.full((len(points), 3), np.nan)
    on = charts > 0
    if on.any():
        u, v = values[1:, on] / 255.0
        triangles, weights = surface.atlas.locate(charts[on], u, v)
        places[on] = surface.atlas.points(triangles, weights)
    return charts, places


Way = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _box_ways(matches: Sequence[Match]) -> list[Way]:
    """For each person the frames, and the true and the found centres of boxes."""
    rows: dict[int, list[tuple[int, NDArray[np.float64], NDArray[np.float64]]]] = {}
    for t, match in enumerate(matches):
        for number, pair in match.items():
            true, found = ((p.box_xyxy[:2] + p.box_xyxy[2:]) / 2 for p in pair)
            rows.setdefault(number, []).append((t, true, found))
    return [_way(entries) for entries in rows.values()]


def _chart_ways(matches: Sequence[Match]) -> list[Way]:
    """For each person and chart the frames, and the true and found centres of its pixels."""
    rows: dict[tuple[int, int], list[tuple[int, NDArray[np.float64], NDArray[np.float64]]]] = {}
    for t, match in enumerate(matches):
        for number, pair in match.items():
            true, found = (_chart_centres(person) for person in pair)
            for chart in true.keys() & found.keys():
                rows.setdefault((number, chart), []).append((t, true[chart], found[chart]))
    return [_way(entries) for entries in rows.values()]


def _chart_centres(person: FilmPerson) -> dict[int, NDArray[np.float64]]:
    labels = person.iuv[0]
    counts = np.bincount(labels.ravel(), minlength=NUM_CHARTS + 1)
    centres = {}
    for chart in np.nonzero(counts >= _MIN_CHART_PIXELS)[0]:
        if chart:
            rows, columns = np.nonzero(labels == chart)
            centres[int(chart)] = np.array([columns.mean(), rows.mean()]) + person.corner
    return centres


def _way(entries: Sequence[tuple[int, NDArray[np.float64], NDArray[np.float64]]]) -> Way:
    times = np.array([entry[0] for entry in entries])
    true, found = (np.array([entry[k] for entry in entries]) for k in (1, 2))
    return times, true, found


def _lag(ways: Sequence[Way]) -> float:
    """Frames by which what was found comes late: the regression of its error on the true speed."""
    above = below = 0.0
    for times, true, found in ways:
        middle = np.nonzero((times[2:] - times[:-2]) == 2)[0] + 1
        if len(middle) < 3:
            continue
        speed = (true[middle + 1] - true[middle - 1]) / 2
        error = found[middle] - true[middle]
        error = error - error.mean(axis=0)
        speed = speed - speed.mean(axis=0)
        above -= float((error * speed).sum())
        below += float((speed * speed).sum())
    return above / below if below > 0 else float("nan")


def _jitter(matches: Sequence[Match]) -> float:
    """Mean absolute second difference of the boxes' errors, relative to the height."""
    values = []
    for t in range(1, len(matches) - 1):
        for number in matches[t - 1].keys() & matches[t].keys() & matches[t + 1].keys():
            errors = [
                matches[k][number][1].box_xyxy - matches[k][number][0].box_xyxy
                for k in (t - 1, t, t + 1)
            ]
            box = matches[t][number][0].box_xyxy
            values.append(
                np.abs(errors[0] - 2 * errors[1] + errors[2]).mean() / max(box[3] - box[1], 1.0)
            )
    return _mean(values)


def _mean(values: Sequence[float] | NDArray[np.floating] | NDArray[np.bool_]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
