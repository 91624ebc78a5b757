"""Reading films frame by frame: files, folders of frames, cameras, addresses of streams.

Frames are upright: a film's rotation is applied. A frame that cannot be decoded keeps its place,
with the reason instead of the picture. PyAV (the extra `video`) is needed for files and streams.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmktn.formats.pictures import MAX_PIXELS, SUFFIXES, read_picture
from mmktn.utils.optional import require
from mmktn.utils.user_error import UserError

_ADDRESS = re.compile(r"^(rtsp|rtsps|rtmp|rtmps|rtp|udp|srt|tcp|http|https)://", re.I)
# A local file must not make us fetch from addresses, and an address must not make us read files.
_FILE_PROTOCOLS = "file,crypto,data"
_STREAM_PROTOCOLS = (
    "rtsp,rtsps,rtmp,rtmps,rtp,srtp,udp,srt,tcp,tls,http,https,httpproxy,crypto,data"
)
_TIMEOUT_S = 20.0
_MAX_ERRORS_IN_A_ROW = 50
_DIGEST_BYTES = 1 << 20


@dataclass(frozen=True)
class FilmInfo:
    """What is known of a film before its frames are read.

    Attributes:
        size_hw: Rows and columns of the upright frames.
        rate: Frames a second.
        time_base: Seconds of one tick of `Frame.pts`.
        rotation: By how many degrees (counter-clockwise, a multiple of 90) players turn the stored
            frames, as PyAV says it; ours are turned already.
        count: Number of frames, if it is known.
        sound: Whether there is sound.
        live: Whether frames come as they happen and cannot be read again.
    """

    size_hw: tuple[int, int]
    rate: Fraction
    time_base: Fraction
    rotation: int = 0
    count: int | None = None
    sound: bool = False
    live: bool = False


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        index: Its number in the film, from 0.
        pts: When it is shown, in ticks of the film's `time_base`.
        image: (H, W, 3) uint8 RGB, upright; None if it is broken.
        error: Why it is broken.
        origin: When the first frame of the film is shown; set by `selected`.
    """

    index: int
    pts: int
    image: NDArray[np.uint8] | None = None
    error: str | None = None
    origin: int = 0


@dataclass(frozen=True)
class Selection:
    """A choice of frames.

    Attributes:
        first: Number of the first one.
        last: Number behind the last one; None: to the end.
        every: Only each n-th frame from there on is taken.
        start_s: Seconds from the film's first frame at which it begins.
        end_s: Seconds from the film's first frame at which it ends; None: at the end.
    """

    first: int = 0
    last: int | None = None
    every: int = 1
    start_s: float = 0.0
    end_s: float | None = None

    def wants(self, index: int, seconds: float) -> bool:
        """Whether the range has begun."""
        return index >= self.first and seconds >= self.start_s - 1e-9

    def ends(self, index: int, seconds: float) -> bool:
        """Whether the range is over."""
        past = self.end_s is not None and seconds >= self.end_s - 1e-9
        return past or (self.last is not None and index >= self.last)

    def total(self, info: FilmInfo) -> int | None:
        """Number of frames that are chosen, as far as it is known."""
        ends = [self.last, info.count]
        if self.end_s is not None:
            ends.append(round(self.end_s * float(info.rate)))
        known = [end for end in ends if end is not None]
        if not known:
            return None
        begin = max(self.first, round(self.start_s * float(info.rate)))
        return max(-(-(min(known) - begin) // self.every), 0)


class Film(Protocol):
    """A film that was opened."""

    name: str
    info: FilmInfo
    cut: str | None  # why it is shorter than it announces; known when its frames have been read

    def frames(self, *, index: int = 0, pts: int | None = None) -> Iterator[Frame]:
        """Go through the frames.

        Args:
            index: Number of the first one that is given.
            pts: When it is shown, if it is known; the film is not read from its beginning then.
        """

    def digest(self) -> str:
        """Return what tells this film from others, without reading all of it."""


@dataclass(frozen=True)
class Place:
    """A frame of a selection from which reading can begin again.

    Attributes:
        index: Its number in the film.
        pts: When it is shown.
        origin: When the first frame of the film is shown.
    """

    index: int
    pts: int
    origin: int


def selected(film: Film, wanted: Selection, *, place: Place | None = None) -> Iterator[Frame]:
    """Yield the frames of a selection.

    Args:
        film: The film.
        wanted: Which.
        place: A frame that was given before, to begin there; None: at the beginning.

    Yields:
        Frames in order.
    """
    origin = None if place is None else place.origin
    begin = None if place is None else place.index
    frames = film.frames() if place is None else film.frames(index=place.index, pts=place.pts)
    for frame in frames:
        if origin is None:
            origin = frame.pts
        seconds = float((frame.pts - origin) * film.info.time_base)
        if wanted.ends(frame.index, seconds):
            return
        if begin is None:
            if not wanted.wants(frame.index, seconds):
                continue
            begin = frame.index
        if (frame.index - begin) % wanted.every == 0:
            yield replace(frame, origin=origin)


def open_film(
    source: str | os.PathLike[str], *, rate: Fraction | None = None, max_pixels: int | None = None
) -> Film:
    """Open a film.

    Args:
        source: A film file; a folder of pictures, which are shown in the order of their names; the
            number of a camera; the address of a stream (rtsp://, http:// and the like).
        rate: Frames a second of a folder (25 by default); other films have their own.
        max_pixels: Larger frames are refused; None: `formats.pictures.MAX_PIXELS`.

    Returns:
        The film.

    Raises:
        UserError: There is no such film, it has no pictures, or they are too large.
        ImportError: PyAV is missing.
    """
    text = os.fspath(source)
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    if text.isdecimal() and not Path(text).exists():
        return CameraFilm(int(text), limit)
    if _ADDRESS.match(text):
        return AvFilm(text, limit, remote=True)
    path = Path(text)
    if path.is_dir():
        return FolderFilm(path, rate or Fraction(25), limit)
    if not path.is_file():
        what = "no regular file" if path.exists() else "no such file, folder or camera"
        raise UserError(f"{text}: {what}")
    return AvFilm(text, limit)


class AvFilm:
    """A film file or a stream, by PyAV."""

    def __init__(self, source: str, max_pixels: int, *, remote: bool = False) -> None:
        self.name, self.remote, self.max_pixels = source, remote, max_pixels
        self.cut: str | None = None
        with self.opened() as container:
            self.info = self._look(container)

    def opened(self) -> Any:
        """Return a container of PyAV, to be closed.

        Raises:
            UserError: It cannot be opened.
        """
        av = require("av", "video")
        protocols = _STREAM_PROTOCOLS if self.remote else _FILE_PROTOCOLS
        # A path is not a pattern or a protocol, however it is spelled.
        name = self.name if self.remote else f"file:{self.name}"
        patience = _TIMEOUT_S if self.remote else None
        try:
            return av.open(name, options={"protocol_whitelist": protocols}, timeout=patience)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"{self.name}: cannot be opened as a film ({reason})") from error

    def _look(self, container: Any) -> FilmInfo:
        if not container.streams.video:
            raise UserError(f"{self.name}: there are no pictures in it, only {_kinds(container)}")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise UserError(f"{self.name}: its pictures are coded in a way that is not known")
        width, height = stream.codec_context.width, stream.codec_context.height
        if width < 1 or height < 1:
            raise UserError(f"{self.name}: the size of its frames cannot be read")
        if width * height > self.max_pixels:
            raise UserError(
                f"{self.name}: frames of {width} x {height} pixels are larger than --max-pixels "
                f"{self.max_pixels}"
            )
        # What has a length can be read again, from wherever it comes.
        live = self.remote and not container.duration
        rotation = 0 if live else self._rotation(container, stream)
        sideways = rotation % 180 != 0
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        count = stream.frames or None
        if count is None and stream.duration:
            count = round(stream.duration * stream.time_base * rate)
        elif count is None and container.duration:
            count = round(container.duration / 1_000_000 * rate)
        return FilmInfo(
            size_hw=(width, height) if sideways else (height, width),
            rate=Fraction(rate),
            time_base=Fraction(stream.time_base),
            rotation=rotation,
            count=count,
            sound=bool(container.streams.audio) and not live,
            live=live,
        )

    def _rotation(self, container: Any, stream: Any) -> int:
        """Return the rotation that the first frames that can be read carry."""
        av = require("av", "video")
        errors = 0
        packets = container.demux(stream)
        while errors < _MAX_ERRORS_IN_A_ROW:
            with suppress(av.error.FFmpegError, OSError):
                for packet in packets:
                    for frame in packet.decode():
                        return round(frame.rotation / 90) * 90 % 360
                return 0
            errors += 1
        return 0

    def digest(self) -> str:
        """Hash of the size and of the first and last MB; of a remote film, its address."""
        if self.remote:
            return hashlib.sha256(f"{self.name} {self.info}".encode()).hexdigest()
        return _digest_of(Path(self.name))

    def frames(self, *, index: int = 0, pts: int | None = None) -> Iterator[Frame]:
        """Go through the frames, broken ones included; see `Film`."""
        with self.opened() as container:
            stream = container.streams.video[0]
            # One thread for each frame would report an error with a later frame.
            stream.thread_type = "SLICE"
            number = index if pts is not None else 0
            if pts is not None:
                container.seek(pts, stream=stream, backward=True)
            last = -(1 << 62)
            for found, picture, error in self._decoded(container, stream):
                if found is None:
                    found = last + self._step() if number else 0
                # A player shows nothing twice at one time; files may say so all the same.
                found = max(found, last + 1)
                if pts is not None and found < pts:
                    continue
                last = found
                if number >= index:
                    yield self._frame(number, found, picture, error)
                number += 1
            self.cut = self._cut(stream, last)

    def _cut(self, stream: Any, last: int) -> str | None:
        """Tell where the film ended, if that is long before its announced end."""
        if self.info.live or not stream.duration:
            return None
        announced = float(stream.duration * stream.time_base)
        end = float((last - (stream.start_time or 0)) * stream.time_base)
        if end + 0.5 + 2 / float(self.info.rate) >= announced:
            return None
        return f"ends at {max(end, 0):.2f} s, of {announced:.2f} s that it announces"

    def _step(self) -> int:
        return max(round(1 / (self.info.rate * self.info.time_base)), 1)

    def _decoded(self, container: Any, stream: Any) -> Iterator[tuple[int | None, Any, str | None]]:
        """Time, picture and error of every frame, in the order in which they are shown."""
        av = require("av", "video")
        broken: list[tuple[int, str]] = []
        in_a_row = 0
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except (av.error.FFmpegError, OSError) as error:
                in_a_row += 1
                if isinstance(error, av.error.EOFError) or in_a_row > _MAX_ERRORS_IN_A_ROW:
                    break
                packets = container.demux(stream)
                continue
            try:
                decoded = packet.decode()
                in_a_row = 0
            except av.error.EOFError:
                break
            except (av.error.FFmpegError, OSError) as error:
                if packet.pts is not None:
                    broken.append((packet.pts, _reason(error)))
                    broken.sort()
                continue
            for frame in decoded:
                while broken and frame.pts is not None and broken[0][0] < frame.pts:
                    yield broken[0][0], None, broken.pop(0)[1]
                if frame.is_corrupt:
                    yield frame.pts, None, "is damaged"
                else:
                    yield frame.pts, frame, None
        for when, why in broken:
            yield when, None, why

    def _frame(self, number: int, pts: int, picture: Any, error: str | None) -> Frame:
        if picture is None:
            return Frame(number, pts, error=error)
        try:
            if picture.width * picture.height > self.max_pixels:
                return Frame(number, pts, error=f"is larger than {self.max_pixels} pixels")
            image = picture.to_ndarray(format="rgb24")
        except Exception as failed:
            return Frame(number, pts, error=f"cannot be converted ({_reason(failed)})")
        return _checked(number, pts, turned(image, self.info.rotation), self.info.size_hw)


class FolderFilm:
    """A folder of pictures."""

    def __init__(self, folder: Path, rate: Fraction, max_pixels: int) -> None:
        self.name, self.max_pixels = str(folder), max_pixels
        self.cut: str | None = None
        try:
            files = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES]
        except OSError as error:
            raise UserError(f"{folder} cannot be listed: {error.strerror or error}") from error
        self.files = sorted(files, key=lambda path: _natural(path.name))
        if not self.files:
            raise UserError(f"folder {folder} holds no images ({', '.join(SUFFIXES)})")
        self.info = FilmInfo(
            size_hw=self._first_size(),
            rate=rate,
            time_base=1 / rate,
            count=len(self.files),
        )

    def _first_size(self) -> tuple[int, int]:
        for file in self.files:
            try:
                height, width = read_picture(file, max_pixels=self.max_pixels).shape[:2]
            except (UserError, OSError):
                continue
            return height, width
        raise UserError(f"{self.name}: none of its {len(self.files)} pictures can be read")

    def digest(self) -> str:
        """Hash of names, sizes and times of the files."""
        parts = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in self.files]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def frames(self, *, index: int = 0, pts: int | None = None) -> Iterator[Frame]:
        """Go through the pictures; see `Film`."""
        for number in range(index, len(self.files)):
            try:
                image = read_picture(self.files[number], max_pixels=self.max_pixels)
            except (UserError, OSError) as error:
                reason = f"{self.files[number].name} {_reason(error)}"
                yield Frame(number, number, error=reason)
                continue
            rgb = np.ascontiguousarray(image[..., ::-1], np.uint8)
            yield _checked(number, number, rgb, self.info.size_hw)


class CameraFilm:
    """A camera, by OpenCV; its frames carry the time at which they came."""

    def __init__(self, number: int, max_pixels: int) -> None:
        import cv2

        self.name = f"camera {number}"
        self.cut: str | None = None
        self._capture = cv2.VideoCapture(number)
        read, image = self._capture.read() if self._capture.isOpened() else (False, None)
        if not read or image is None:
            self._capture.release()
            raise UserError(f"camera {number} cannot be opened; 0 is the first one")
        if image.shape[0] * image.shape[1] > max_pixels:
            self._capture.release()
            raise UserError(f"camera {number}: frames are larger than --max-pixels {max_pixels}")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        known = Fraction(round(rate * 1000), 1000) if 1 <= rate <= 1000 else Fraction(25)
        self.info = FilmInfo(
            size_hw=image.shape[:2], rate=known, time_base=Fraction(1, 1000), live=True
        )

    def digest(self) -> str:
        """Return nothing: no camera shows the same frames again."""
        return f"{self.name} at {time.time_ns()}"

    def frames(self, *, index: int = 0, pts: int | None = None) -> Iterator[Frame]:
        """Go through the frames until the camera stops; see `Film`."""
        begin, last, number = time.monotonic(), -1, 0
        try:
            while True:
                read, image = self._capture.read()
                if not read or image is None:
                    return
                last = max(round((time.monotonic() - begin) * 1000), last + 1)
                rgb = np.ascontiguousarray(image[..., ::-1], np.uint8)
                yield _checked(number, last, rgb, self.info.size_hw)
                number += 1
        finally:
            self._capture.release()


def turned(image: NDArray[np.uint8], rotation: int) -> NDArray[np.uint8]:
    """Return a picture turned by a multiple of 90 degrees, counter-clockwise."""
    return np.ascontiguousarray(np.rot90(image, rotation // 90 % 4))


def _checked(number: int, pts: int, image: NDArray[np.uint8], size_hw: tuple[int, int]) -> Frame:
    """Return a frame, if it has the size of the others."""
    if image.shape[:2] != size_hw:
        height, width = image.shape[:2]
        text = f"has {width} x {height} pixels, the film {size_hw[1]} x {size_hw[0]}"
        return Frame(number, pts, error=text)
    return Frame(number, pts, image)


def _digest_of(path: Path) -> str:
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_DIGEST_BYTES))
        file.seek(max(size - _DIGEST_BYTES, 0))
        digest.update(file.read(_DIGEST_BYTES))
    return digest.hexdigest()


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Return the key that puts frame 10 behind frame 9."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]


def _kinds(container: Any) -> str:
    kinds = sorted({stream.type for stream in container.streams})
    return ", ".join(kinds) or "nothing that is known"


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"cannot be decoded ({text})" if "Errno" not in text else "cannot be decoded"
