"""Smoothing along time without lag: each frame asks the frames before and behind it.

Maps of the neighbours are carried to the frame by the optical flow of the pictures, which moves
every limb by itself. A pixel takes the chart that most of them say (near ones count more), and the
mean of U and V of those that say it. A box is the mean of those of as many frames before as behind,
so that what moves is not pulled back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mmktn.video.people import FilmPerson

_FLOW_SIDE = 256
# Colour difference, of 255, at which a carried pixel shows something else; half its vote is gone.
_SAME_COLOUR = 20.0


@dataclass(frozen=True)
class SmoothingOptions:
    """How a film is smoothed.

    Attributes:
        behind: Frames asked before each one.
        ahead: Frames asked behind each one.
        width: Standard deviation of the weights along time, frames.
        flow: Carry maps by optical flow; else by the boxes alone.
        hits: On how many frames of those asked a person has to be found.
    """

    behind: int = 3
    ahead: int = 3
    width: float = 2.0
    flow: bool = True
    hits: int = 3

    @classmethod
    def of(cls, frames: int) -> SmoothingOptions:
        """Ask as many frames on either side; 0 leaves films as they are."""
        return cls(frames, frames, max(1.5, frames * 2 / 3))

    @property
    def off(self) -> bool:
        """Whether frames are left as they are."""
        return self.behind == 0 and self.ahead == 0


@dataclass(frozen=True)
class FilmMoment:
    """A frame with its people.

    Attributes:
        image: (H, W, 3) uint8 RGB; None if it is broken, and has no people then.
        people: Those found, with numbers of tracks.
        small: (h, w, 3) the picture as flow is computed on it; see `shrunk`.
    """

    image: NDArray[np.uint8] | None
    people: Sequence[FilmPerson]
    small: NDArray[np.uint8] | None = None


def shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture at the size at which flow is computed."""
    scale = min(_FLOW_SIDE / max(image.shape[:2]), 1.0)
    size_wh = [max(round(side * scale), 16) for side in image.shape[1::-1]]
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def smooth_frame(moments: Mapping[int, FilmMoment], options: SmoothingOptions) -> list[FilmPerson]:
    """Return the people of a frame, smoothed.

    Args:
        moments: The frame at 0 and its neighbours at -1, 1 and so on; those that do not exist at an
            end of the film are left out.
        options: How.

    Returns:
        People with numbers, strongest first; one who was missed on this frame alone and is there
        before and after it has `seen` False.
    """
    here = moments[0]
    if here.image is None:
        return []
    lasting = _lasting(moments, options)
    if options.off:
        return [person for person in here.people if person.track in lasting]
    carried = _Carrier(moments, options)
    out = []
    for track, entries in lasting.items():
        if not any(-step in entries for step in entries):
            continue
        person = _smoothed(track, entries, here.image.shape[:2], carried, options)
        if person is not None:
            out.append(person)
    return sorted(out, key=lambda person: -person.score)


def _lasting(
    moments: Mapping[int, FilmMoment], options: SmoothingOptions
) -> dict[int, dict[int, FilmPerson]]:
    """Track -> place in time -> person, of the tracks that have been found often enough."""
    tracks: dict[int, dict[int, FilmPerson]] = {}
    for step in sorted(moments):
        for person in moments[step].people:
            tracks.setdefault(person.track, {})[step] = person
    return {
        number: entries
        for number, entries in tracks.items()
        if max(person.hits for person in entries.values()) >= min(options.hits, len(moments))
    }


class _Carrier:
    """Carries maps of neighbours to the frame."""

    def __init__(self, moments: Mapping[int, FilmMoment], options: SmoothingOptions) -> None:
        self.moments, self.options = moments, options
        self._flows: dict[int, NDArray[np.float32]] = {}
        self._small = {k: _small_of(m) for k, m in moments.items() if m.image is not None}
        self._grey = {
            k: cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) for k, small in self._small.items()
        }

    def flow(self, step: int) -> NDArray[np.float32]:
        """Return (h, w, 2) from the frame to a neighbour, in pixels of the small picture."""
        if step not in self._flows:
            engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
            start = None
            # The motion to the frame between the two, doubled, is a good guess.
            nearer = step - (1 if step > 0 else -1)
            if nearer and nearer in self._grey:
                start = self.flow(nearer) * np.float32(step / nearer)
            found = engine.calc(self._grey[0], self._grey[step], start)  # type: ignore[arg-type]
            self._flows[step] = np.asarray(found, np.float32)
        return self._flows[step]

    def carry(
        self,
        person: FilmPerson,
        step: int,
        window: tuple[int, int, int, int],
        frame_hw: Sequence[int],
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return a neighbour's map (3, h, w) on a window of frame, and (h, w) how sure that is."""
        x0, y0, x1, y1 = window
        small = self._small[0]
        scale = small.shape[1] / frame_hw[1], small.shape[0] / frame_hw[0]
        columns, rows = np.meshgrid(
            np.arange(x0, x1, dtype=np.float32) + 0.5, np.arange(y0, y1, dtype=np.float32) + 0.5
        )
        at_x, at_y = columns * scale[0] - 0.5, rows * scale[1] - 0.5
        move = cv2.remap(
            self.flow(step), at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        then_x = columns + move[..., 0] / scale[0]
        then_y = rows + move[..., 1] / scale[1]
        x, y = person.corner
        layers = cv2.remap(
            np.ascontiguousarray(person.iuv.transpose(1, 2, 0)),
            (then_x - x - 0.5).astype(np.float32),
            (then_y - y - 0.5).astype(np.float32),
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(0, 0, 0),
        )
        now = cv2.remap(small, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        then = cv2.remap(
            self._small[step],
            (then_x * scale[0] - 0.5).astype(np.float32),
            (then_y * scale[1] - 0.5).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        gap = np.abs(now.astype(np.float32) - then.astype(np.float32)).mean(axis=2)
        sure = 1 / (1 + (gap / _SAME_COLOUR) ** 2)
        return np.ascontiguousarray(layers.transpose(2, 0, 1)), sure.astype(np.float32)


def _small_of(moment: FilmMoment) -> NDArray[np.uint8]:
    if moment.small is not None:
        return moment.small
    assert moment.image is not None
    return shrunk(moment.image)


def _smoothed(
    track: int,
    entries: Mapping[int, FilmPerson],
    frame_hw: Sequence[int],
    carrier: _Carrier,
    options: SmoothingOptions,
) -> FilmPerson | None:
    """Return one person of the frame."""
    steps = sorted(entries)
    weights = np.exp(-0.5 * (np.array(steps) / options.width) ** 2)
    box = np.clip(_middle_box(entries, options.width), 0, [frame_hw[1], frame_hw[0]] * 2)
    if box[2] - box[0] < 1 or box[3] - box[1] < 1:
        return entries.get(0)
    window = _window_of(box, entries.get(0), frame_hw)
    maps, votes = [], []
    for step, weight in zip(steps, weights, strict=True):
        if step == 0:
            layer = entries[0].crop(window)
            sure = np.ones(layer.shape[1:], np.float32)
        elif options.flow:
            layer, sure = carrier.carry(entries[step], step, window, frame_hw)
        else:
            layer = _fitted(entries[step], window)
            sure = np.ones(layer.shape[1:], np.float32)
        maps.append(layer)
        votes.append(sure * np.float32(weight))
    iuv = _voted(np.stack(maps), np.stack(votes))
    if not (iuv[0] > 0).any():
        return None
    known = entries.get(0, entries[min(steps, key=abs)])
    corner = window[0], window[1]
    return replace(known, box_xyxy=box, iuv=iuv, track=track, seen=0 in entries, xy=corner)


def _window_of(
    box: NDArray[np.float64], own: FilmPerson | None, frame_hw: Sequence[int]
) -> tuple[int, int, int, int]:
    """Find pixels that hold box and map of the frame itself, so that no limb is cut off."""
    x0, y0 = int(box[0]), int(box[1])
    x1, y1 = x0 + max(int(box[2] - box[0]), 1), y0 + max(int(box[3] - box[1]), 1)
    if own is not None:
        own_x0, own_y0, own_x1, own_y1 = own.window
        x0, y0, x1, y1 = min(x0, own_x0), min(y0, own_y0), max(x1, own_x1), max(y1, own_y1)
    return max(x0, 0), max(y0, 0), min(x1, frame_hw[1]), min(y1, frame_hw[0])


def _middle_box(entries: Mapping[int, FilmPerson], width: float) -> NDArray[np.float64]:
    """Average boxes of as many frames before as behind, so that what moves is not late."""
    steps = [k for k in entries if -k in entries]
    weights = np.exp(-0.5 * (np.array(steps) / width) ** 2)
    boxes = np.array([entries[k].box_xyxy for k in steps])
    # Rounded, so that 59.999999 is not a pixel less than 60.
    return np.round(weights @ boxes / weights.sum(), 3)


def _fitted(person: FilmPerson, window: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Return the map of a person stretched onto a window of the frame."""
    size_wh = window[2] - window[0], window[3] - window[1]
    layers = cv2.resize(
        np.ascontiguousarray(person.iuv.transpose(1, 2, 0)),
        size_wh,
        interpolation=cv2.INTER_NEAREST,
    )
    return np.ascontiguousarray(layers.transpose(2, 0, 1))


def _voted(maps: NDArray[np.uint8], votes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return (3, h, w) chart with most votes of (K, 3, h, w) maps, and the mean of its U and V."""
    labels = maps[:, 0]
    support = np.stack([((labels == mine) * votes).sum(axis=0) for mine in labels])
    best = support.argmax(axis=0)
    chart = np.take_along_axis(labels, best[None], axis=0)[0]
    share = (labels == chart) * votes
    total = np.maximum(share.sum(axis=0), 1e-9)
    mean = (maps[:, 1:].astype(np.float32) * share[:, None]).sum(axis=0) / total
    out = np.concatenate([chart[None].astype(np.float32), np.where(chart > 0, mean + 0.5, 0)])
    return np.clip(out, 0, 255).astype(np.uint8)
