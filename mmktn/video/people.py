"""One person on one frame of a film."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FilmPerson:
    """Dense pose of a person on a frame, as bytes.

    Attributes:
        box_xyxy: (4,) float64, pixels of the upright frame.
        score: Detection score.
        iuv: (3, h, w) uint8 chart and truncated U, V.
        track: Number that the person keeps through the film, from 1; 0: none yet.
        hits: On how many frames the track has been found up to this one.
        xy: Column and row of the map's first pixel in the frame; None: those of the integer box.
        seen: False where nothing was found on this frame and the neighbours fill the gap.
    """

    box_xyxy: NDArray[np.float64]
    score: float
    iuv: NDArray[np.uint8]
    track: int = 0
    hits: int = 0
    seen: bool = True
    xy: tuple[int, int] | None = None

    @property
    def corner(self) -> tuple[int, int]:
        """Column and row of the map's first pixel in the frame."""
        return self.xy or (int(self.box_xyxy[0]), int(self.box_xyxy[1]))

    @property
    def window(self) -> tuple[int, int, int, int]:
        """The pixels (x0, y0, x1, y1) of the frame that the map lies on."""
        (x, y), (height, width) = self.corner, self.iuv.shape[1:]
        return x, y, x + width, y + height

    def on_box(self) -> NDArray[np.uint8]:
        """Return (3, h, w) the map on the integer box, as result files want it."""
        x0, y0, x1, y1 = self.box_xyxy
        x, y = int(x0), int(y0)
        return self.crop((x, y, x + max(int(x1 - x0), 1), y + max(int(y1 - y0), 1)))

    def with_track(self, track: int, hits: int) -> FilmPerson:
        """Return the person with a number."""
        return replace(self, track=track, hits=hits)

    def crop(self, window: tuple[int, int, int, int]) -> NDArray[np.uint8]:
        """Return (3, h, w) map on a window of the frame (x0, y0, x1, y1), 0 beside the person."""
        x0, y0, x1, y1 = window
        x, y = self.corner
        height, width = self.iuv.shape[1:]
        out = np.zeros((3, y1 - y0, x1 - x0), np.uint8)
        left, top = max(x, x0), max(y, y0)
        right, bottom = min(x + width, x1), min(y + height, y1)
        if left < right and top < bottom:
            part = self.iuv[:, top - y : bottom - y, left - x : right - x]
            out[:, top - y0 : bottom - y0, left - x0 : right - x0] = part
        return out


def pack_people(frames: list[list[FilmPerson]]) -> dict[str, Any]:
    """Return the arrays that `unpack_people` reads; nothing in them needs unpickling."""
    people = [person for frame in frames for person in frame]
    arrays: dict[str, Any] = {
        "counts": np.array([len(frame) for frame in frames], np.int64),
        "boxes": np.array([p.box_xyxy for p in people], np.float64).reshape(-1, 4),
        "scores": np.array([p.score for p in people], np.float64),
        "tracks": np.array([[p.track, p.hits] for p in people], np.int64).reshape(-1, 2),
    }
    for index, person in enumerate(people):
        arrays[f"iuv_{index}"] = person.iuv
    return arrays


def unpack_people(arrays: Any) -> list[list[FilmPerson]]:
    """Return what `pack_people` was given.

    Raises:
        KeyError, ValueError: The arrays are of something else.
    """
    frames, index = [], 0
    for count in arrays["counts"].tolist():
        frame = []
        for k in range(index, index + count):
            track, hits = arrays["tracks"][k].tolist()
            box, score = arrays["boxes"][k], float(arrays["scores"][k])
            frame.append(FilmPerson(box, score, arrays[f"iuv_{k}"], track, hits))
        index += count
        frames.append(frame)
    return frames
