"""Numbers that people keep through a film.

A person of a frame belongs to the track whose box, moved on, overlaps, whose charts lie on the same
pixels, and whose body has the same colours, part by part. The last two come from dense pose: who
comes out from behind another one is known by the colour of the shirt, the trousers, the head. One
optimal assignment a frame settles who is who.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mmktn.surface.parts import NUM_CHARTS
from mmktn.video.people import FilmPerson

_CHARTS = NUM_CHARTS + 1
_MIN_PIXELS = 12
_MEMORY = 0.9  # share of what is remembered of colours
_PLACE_FADES_S = 0.3
_PACE = 0.5  # share of the new speed


@dataclass(frozen=True)
class TrackingOptions:
    """How people are followed.

    Attributes:
        start_score: A track begins with a person above this score; weaker ones only go on.
        patience_s: For how long a track waits for a person who is not seen.
        least: Affinity, 0 to 1, below which two are not the same.
        covered: Where two bodies share more than this part of the smaller one, it is one person who
            was found twice.
    """

    start_score: float = 0.3
    patience_s: float = 2.0
    least: float = 0.3
    covered: float = 0.7


@dataclass
class Track:
    """A person who is followed."""

    number: int
    box: NDArray[np.float64]
    person: FilmPerson
    colours: NDArray[np.float64]
    weights: NDArray[np.float64]
    speed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    hits: int = 1
    missed_s: float = 0.0


class Tracker:
    """Follows people from frame to frame.

    Args:
        options: How.
    """

    def __init__(self, options: TrackingOptions | None = None) -> None:
        self.options = options or TrackingOptions()
        self.tracks: list[Track] = []
        self._next = 1

    def update(
        self, people: list[FilmPerson], image: NDArray[np.uint8] | None, seconds: float
    ) -> list[FilmPerson]:
        """Give the people of the next frame their numbers.

        Args:
            people: Those found, of any score.
            image: (H, W, 3) uint8 RGB frame; None if it is broken, and has no people then.
            seconds: Time since the frame before.

        Returns:
            The people who belong to a track, strongest first.
        """
        people = _without_doubles(sorted(people, key=lambda p: -p.score), self.options.covered)
        looks = [] if image is None else [_part_colours(person, image) for person in people]
        for track in self.tracks:
            track.missed_s += seconds
            track.box = track.box + track.speed * seconds
        known: dict[int, Track] = {}
        if self.tracks and people:
            affinity = np.array(
                [
                    [_affinity(t, p, look) for p, look in zip(people, looks, strict=True)]
                    for t in self.tracks
                ]
            )
            for row, column in zip(*linear_sum_assignment(-affinity), strict=True):
                if affinity[row, column] >= self.options.least:
                    known[int(column)] = self.tracks[row]
        found = []
        for index, (person, look) in enumerate(zip(people, looks, strict=True)):
            if index in known:
                track = known[index]
                _move(track, person, look, seconds)
            elif person.score > self.options.start_score:
                track = Track(self._next, person.box_xyxy.copy(), person, *look)
                self._next += 1
                self.tracks.append(track)
            else:
                continue
            found.append(person.with_track(track.number, track.hits))
            track.person = found[-1]
        waiting = self.options.patience_s
        self.tracks = [
            track
            for track in self.tracks
            # One that was seen once does not wait: most such are no people.
            if track.missed_s <= (waiting if track.hits > 2 else min(waiting, 0.2))
        ]
        return found

    def state(self) -> dict[str, Any]:
        """Return the arrays from which `restore` makes a tracker that goes on alike."""
        numbers = [[t.number, t.hits] for t in self.tracks]
        arrays: dict[str, Any] = {
            "next": np.array(self._next),
            "numbers": np.array(numbers, np.int64).reshape(-1, 2),
            "missed": np.array([t.missed_s for t in self.tracks]),
            "boxes": np.array([t.box for t in self.tracks]).reshape(-1, 4),
            "speeds": np.array([t.speed for t in self.tracks]).reshape(-1, 4),
            "colours": np.array([t.colours for t in self.tracks]).reshape(-1, _CHARTS, 3),
            "weights": np.array([t.weights for t in self.tracks]).reshape(-1, _CHARTS),
            "last": np.array([t.person.box_xyxy for t in self.tracks]).reshape(-1, 4),
            "scores": np.array([t.person.score for t in self.tracks]),
        }
        for k, track in enumerate(self.tracks):
            arrays[f"iuv_{k}"] = track.person.iuv
        return arrays

    def restore(self, arrays: Any) -> None:
        """Go on where the tracker that gave `state` was."""
        self._next = int(arrays["next"])
        self.tracks = []
        for k, (number, hits) in enumerate(arrays["numbers"].tolist()):
            person = FilmPerson(
                arrays["last"][k], float(arrays["scores"][k]), arrays[f"iuv_{k}"], number, hits
            )
            colours, weights = arrays["colours"][k].copy(), arrays["weights"][k].copy()
            track = Track(number, arrays["boxes"][k].copy(), person, colours, weights)
            track.speed, track.hits = arrays["speeds"][k].copy(), hits
            track.missed_s = float(arrays["missed"][k])
            self.tracks.append(track)


def box_overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Compute the intersection over union of two (4,) xyxy boxes."""
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    shared = float(np.prod(np.clip(sides, 0, None)))
    areas = [float(np.prod(np.clip(box[2:] - box[:2], 0, None))) for box in (first, second)]
    return shared / max(sum(areas) - shared, 1e-9)


def _move(
    track: Track,
    person: FilmPerson,
    look: tuple[NDArray[np.float64], NDArray[np.float64]],
    seconds: float,
) -> None:
    """Take a person as the next place of a track."""
    gap = max(track.missed_s, seconds, 1e-6)
    before = track.person.box_xyxy
    measured = (person.box_xyxy - before) / gap
    # Centres move, sizes follow slowly: a lifted arm is no zoom.
    speed = np.tile(_centre(measured), 2)
    first = track.hits == 1
    track.speed = speed if first else (1 - _PACE) * track.speed + _PACE * speed
    track.box = person.box_xyxy.copy()
    colours, weights = look
    share = _MEMORY * track.weights / np.maximum(_MEMORY * track.weights + weights, 1e-9)
    track.colours = share[:, None] * track.colours + (1 - share[:, None]) * colours
    track.weights = np.minimum(_MEMORY * track.weights + weights, 10 * np.maximum(weights, 1))
    track.hits += 1
    track.missed_s = 0.0


def _affinity(
    track: Track, person: FilmPerson, look: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> float:
    """0 to 1: how well a person fits a track."""
    box = person.box_xyxy
    overlap = box_overlap(track.box, box)
    # The longer nobody was seen, the further away the person may be.
    size = max(float(track.box[3] - track.box[1]), 1.0)
    away = float(np.linalg.norm(_centre(track.box) - _centre(box))) / size
    reach = 0.35 + 0.6 * track.missed_s
    if overlap < 0.05 and away > reach:
        return 0.0
    near = max(overlap, 0.5 * max(1 - away / reach, 0.0))
    # The longer nobody was seen, the less does the place tell, and the more the colours.
    sure = 1 / (1 + track.missed_s / _PLACE_FADES_S)
    place = 0.4 * near + 0.25 * _chart_overlap(track, person)
    return sure * place + (1 - 0.65 * sure) * _likeness(track, look)


def _chart_overlap(track: Track, person: FilmPerson) -> float:
    """Share of the two bodies' pixels on which both show the same chart, the track moved on."""
    shift = np.round(_centre(track.box) - _centre(track.person.box_xyxy))
    x, y = person.corner
    height, width = person.iuv.shape[1:]
    x0, y0 = x - int(shift[0]), y - int(shift[1])
    before = track.person.crop((x0, y0, x0 + width, y0 + height))[0]
    now = person.iuv[0]
    either = int(((before > 0) | (now > 0)).sum()) + int((track.person.iuv[0] > 0).sum())
    either -= int((before > 0).sum())
    return float(((before == now) & (now > 0)).sum()) / max(either, 1)


def _centre(box: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((box[:2] + box[2:]) / 2)


def _likeness(track: Track, look: tuple[NDArray[np.float64], NDArray[np.float64]]) -> float:
    """0 to 1: likeness of the colours of the parts that both show; 0.5 where there are none."""
    colours, weights = look
    both = np.minimum(np.minimum(weights, track.weights), 400.0)
    both[both < _MIN_PIXELS] = 0
    if both.sum() == 0:
        return 0.5
    gap = np.abs(colours - track.colours).mean(axis=1) / 255
    return float(np.clip(1 - (both @ gap) / both.sum() / 0.25, 0, 1))


def _part_colours(
    person: FilmPerson, image: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (25, 3) mean colour of each chart, and (25,) the number of its pixels in the frame."""
    x, y = person.corner
    height, width = person.iuv.shape[1:]
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + width, image.shape[1]), min(y + height, image.shape[0])
    if x1 <= x0 or y1 <= y0:
        return np.zeros((_CHARTS, 3)), np.zeros(_CHARTS)
    labels = person.iuv[0, y0 - y : y1 - y, x0 - x : x1 - x].ravel()
    pixels = image[y0:y1, x0:x1].reshape(-1, 3)
    counts = np.bincount(labels, minlength=_CHARTS)[:_CHARTS].astype(np.float64)
    sums = [
        np.bincount(labels, weights=pixels[:, c], minlength=_CHARTS)[:_CHARTS] for c in range(3)
    ]
    counts[0] = 0
    return np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None], counts


def _without_doubles(people: list[FilmPerson], covered: float) -> list[FilmPerson]:
    """Return each person once, strongest first; a whole person stays before a strong part of it."""
    kept: list[FilmPerson] = []
    for person in people:
        body = person.iuv[0] > 0
        size = int(body.sum())
        if size == 0:
            continue
        same = []
        for other in kept:
            shared = int((body & (other.crop(person.window)[0] > 0)).sum())
            if shared > covered * min(size, _size(other)):
                same.append(other)
        if all(2 * _size(other) < size for other in same):
            kept = [other for other in kept if not any(other is part for part in same)]
            kept.append(person)
    return kept


def _size(person: FilmPerson) -> int:
    return int((person.iuv[0] > 0).sum())
