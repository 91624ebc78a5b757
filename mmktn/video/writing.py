"""Writing films: pieces that are whole files of their own, joined at the end with the sound.

Every piece begins with a key frame and depends on no other, so that a run that was interrupted goes
on with the next piece and ends with the film that one run would have written.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmktn.utils.optional import require
from mmktn.utils.output_files import replace_atomically_by_name
from mmktn.utils.user_error import UserError

FILM_SUFFIXES = (".mp4", ".m4v", ".mov")
# What browsers and phones play inside mp4; other sound is coded as AAC.
_SOUND_KEPT = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")
_BT709 = 1
_TONE_RATE = 48000
# Matroska counts milliseconds.
_MATROSKA_TICK = Fraction(1, 1000)


@dataclass(frozen=True)
class FilmFormat:
    """How pictures are coded.

    Attributes:
        lossless: FFV1 in Matroska, every byte kept; else H.264 in mp4, yuv420p.
        size_hw: Rows and columns of the pictures that are handed in.
        rate: Frames a second, for players that ask.
        time_base: Seconds of one tick.
        rotation: See `FilmInfo.rotation`: how players turn what is written.
        quality: H.264's constant rate factor, 0 (best) to 51.
    """

    lossless: bool
    size_hw: tuple[int, int]
    rate: Fraction
    time_base: Fraction
    rotation: int = 0
    quality: int = 18

    @property
    def tick(self) -> Fraction:
        """Seconds of one tick in the file; mp4 counts parts of a second."""
        return _MATROSKA_TICK if self.lossless else Fraction(1, self.time_base.denominator)

    def ticks(self, pts: int) -> int:
        """Return a time of the film in ticks of the file."""
        return round(pts * self.time_base / self.tick)


class PieceWriter:
    """One piece of a film; times count from its first picture.

    Args:
        path: File, replaced if it is there.
        kind: How it is coded.
    """

    def __init__(self, path: Path, kind: FilmFormat) -> None:
        av = require("av", "video")
        self._av, self._kind = av, kind
        height, width = kind.size_hw
        options = {} if kind.lossless else {"video_track_timescale": str(kind.tick.denominator)}
        self._container = av.open(str(path), "w", options=options)
        self._stream = self._container.add_stream("ffv1" if kind.lossless else "libx264", kind.rate)
        context = self._stream.codec_context
        # yuv420p has one colour for two by two pixels, so that sides are even.
        self._pad = (0, 0) if kind.lossless else (height % 2, width % 2)
        context.width, context.height = width + self._pad[1], height + self._pad[0]
        context.pix_fmt = "bgr0" if kind.lossless else "yuv420p"
        context.time_base = self._stream.time_base = kind.tick
        if not kind.lossless:
            # Without pictures that refer to later ones, times of decoding are those of showing.
            context.options = {"crf": str(kind.quality), "preset": "medium", "bf": "0"}
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _BT709  # 1 is the limited range of television
        self._first: int | None = None
        self._length = max(round(1 / (kind.rate * kind.tick)), 1)
        self.count = 0

    def write(self, picture: NDArray[np.uint8], pts: int) -> None:
        """Add an (H, W, 3) uint8 RGB picture, shown at `pts` of the film."""
        ticks = self._kind.ticks(pts)
        self._first = ticks if self._first is None else self._first
        if any(self._pad):
            bottom, right = self._pad
            picture = np.pad(picture, ((0, bottom), (0, right), (0, 0)), mode="edge")
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        if not self._kind.lossless:
            frame = frame.reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
        frame.pts = ticks - self._first
        frame.time_base = self._kind.tick
        self._mux(frame)
        self.count += 1

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            packet.duration = self._length
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file."""
        if self.count:
            self._mux(None)
        self._container.close()


class SoundSource(Protocol):
    """What has sound: a film that was read."""

    def opened(self) -> Any:
        """Return a container of PyAV, to be closed."""


@dataclass(frozen=True)
class _SoundFile:
    path: Path

    def opened(self) -> Any:
        return require("av", "video").open(str(self.path))


@dataclass(frozen=True)
class Piece:
    """A finished piece.

    Attributes:
        path: File.
        pts: When its first picture is shown, in ticks of the film that was read.
    """

    path: Path
    pts: int


def join_pieces(
    target: Path,
    pieces: Sequence[Piece],
    kind: FilmFormat,
    *,
    sound: SoundSource | None = None,
    end_pts: int | None = None,
) -> None:
    """Write the film: all pieces one after the other, and the sound of the film that was read.

    Args:
        target: File, whole or not there.
        pieces: In order, at least one.
        kind: How they are coded.
        sound: The film whose sound is copied; None: no sound.
        end_pts: Where the sound ends, in ticks of the film that was read; None: at its end.

    Raises:
        UserError: The sound cannot be read, or the file cannot be written.
    """
    av = require("av", "video")
    # Without names by chance and times of day, so that the same pieces make the same file.
    options = {"fflags": "+bitexact"}
    if not kind.lossless:
        options["movflags"] = "+faststart"
        options["video_track_timescale"] = str(kind.tick.denominator)
    with replace_atomically_by_name(target) as part:
        source = None if sound is None else sound.opened()
        try:
            with (
                av.open(str(part), "w", options=options) as out,
                av.open(str(pieces[0].path)) as first,
            ):
                video = out.add_stream_from_template(first.streams.video[0])
                video.time_base = kind.tick
                if kind.rotation and not kind.lossless:
                    video.set_display_rotation(kind.rotation)
                flows = [_video_packets(pieces, kind, video)]
                if source is not None:
                    begin = pieces[0].pts * kind.time_base
                    end = None if end_pts is None else end_pts * kind.time_base
                    flows.append(_sound_packets(source, out, begin, end))
                for _, _, packet in heapq.merge(*(_ordered(f, k) for k, f in enumerate(flows))):
                    out.mux(packet)
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None and error.errno < 1000:
                raise  # the disk, which `replace_atomically_by_name` names
            raise UserError(f"{target}: cannot be put together ({error})") from error
        finally:
            if source is not None:
                source.close()


def _ordered(
    packets: Iterator[tuple[Fraction, Any]], flow: int
) -> Iterator[tuple[Fraction, tuple[int, int], Any]]:
    for number, (when, packet) in enumerate(packets):
        yield when, (flow, number), packet


def _video_packets(
    pieces: Sequence[Piece], kind: FilmFormat, video: Any
) -> Iterator[tuple[Fraction, Any]]:
    """Yield the packets of the pieces at their times in the whole film, which begins at 0."""
    av = require("av", "video")
    begin = kind.ticks(pieces[0].pts)
    for piece in pieces:
        shift = kind.ticks(piece.pts) - begin
        with av.open(str(piece.path)) as container:
            for packet in container.demux(video=0):
                if packet.size == 0:
                    continue
                packet.pts = packet.dts = round(packet.pts * packet.time_base / kind.tick) + shift
                packet.time_base = kind.tick
                packet.stream = video
                yield packet.pts * kind.tick, packet


def _sound_packets(
    source: Any, out: Any, begin: Fraction, end: Fraction | None
) -> Iterator[tuple[Fraction, Any]]:
    """Yield the packets of the sound between two times, which count from `begin`."""
    stream = source.streams.audio[0]
    if stream.codec_context is not None and stream.codec_context.name in _SOUND_KEPT:
        copied = out.add_stream_from_template(stream)
        return _copied_sound(source, stream, copied, begin, end)
    return _coded_sound(source, stream, out, begin, end)


def _copied_sound(
    source: Any, stream: Any, copied: Any, begin: Fraction, end: Fraction | None
) -> Iterator[tuple[Fraction, Any]]:
    last = -1
    for packet in _demuxed(source, stream):
        if packet.size == 0 or packet.pts is None:
            continue
        when = packet.pts * packet.time_base - begin
        if end is not None and when >= end - begin:
            return
        if when < 0:
            continue
        # Times of decoding go on even where a file's do not.
        last = max(round(when / packet.time_base), last + 1)
        packet.pts = packet.dts = last
        packet.stream = copied
        yield when, packet


def _coded_sound(
    source: Any, stream: Any, out: Any, begin: Fraction, end: Fraction | None
) -> Iterator[tuple[Fraction, Any]]:
    av = require("av", "video")
    rate = stream.codec_context.sample_rate
    coded = out.add_stream("aac", rate=rate if rate in (44100, 48000) else 48000)
    resampler = av.AudioResampler(
        format="fltp", layout=stream.codec_context.layout, rate=coded.codec_context.sample_rate
    )
    start = None
    written = 0

    def packets() -> Iterator[Any]:
        nonlocal start, written
        for packet in _demuxed(source, stream):
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, OSError):
                continue
            for frame in frames:
                if frame.pts is None:
                    continue
                when = frame.pts * frame.time_base - begin
                if when < 0:
                    continue
                if end is not None and when >= end - begin:
                    return
                start = when if start is None else start
                for samples in resampler.resample(frame):
                    samples.pts = written
                    samples.time_base = Fraction(1, coded.codec_context.sample_rate)
                    written += samples.samples
                    yield from coded.encode(samples)

    for packet in packets():
        yield packet.pts * packet.time_base + (start or 0), _shifted(packet, start or Fraction(0))
    for packet in coded.encode(None):
        yield packet.pts * packet.time_base + (start or 0), _shifted(packet, start or Fraction(0))


def _shifted(packet: Any, start: Fraction) -> Any:
    shift = round(start / packet.time_base)
    packet.pts += shift
    packet.dts += shift
    return packet


def _demuxed(source: Any, stream: Any) -> Iterator[Any]:
    """Packets of a stream up to its end or to the first place that cannot be read."""
    av = require("av", "video")
    try:
        yield from source.demux(stream)
    except (av.error.FFmpegError, OSError):
        return


def write_film(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    rate: Fraction,
    *,
    tone_hz: float | None = None,
) -> int:
    """Write a film of pictures as they come.

    Args:
        path: File (.mp4), whole or not there.
        pictures: (H, W, 3) uint8 RGB, all of one size; at least one.
        rate: Frames a second.
        tone_hz: Add sound: a quiet tone of this pitch; None: no sound.

    Returns:
        The number of frames.

    Raises:
        ValueError: There is no picture.
        UserError: The file cannot be written.
    """
    av = require("av", "video")
    flow = iter(pictures)
    first = next(flow, None)
    if first is None:
        raise ValueError("a film needs a picture")
    with replace_atomically_by_name(path) as part:
        kind = FilmFormat(False, (first.shape[0], first.shape[1]), rate, 1 / rate)
        piece, sound = (part.with_name(f"{part.name}.{what}.mp4") for what in ("piece", "sound"))
        try:
            with closing(PieceWriter(piece, kind)) as writer:
                for count, picture in enumerate(itertools.chain([first], flow)):
                    writer.write(picture, count)
            if tone_hz is not None:
                with av.open(str(sound), "w") as container:
                    _write_tone(container, tone_hz, float(writer.count / rate))
            source = None if tone_hz is None else _SoundFile(sound)
            join_pieces(part, [Piece(piece, 0)], kind, sound=source)
            return writer.count
        finally:
            piece.unlink(missing_ok=True)
            sound.unlink(missing_ok=True)


def _write_tone(container: Any, tone_hz: float, seconds: float) -> None:
    av = require("av", "video")
    stream = container.add_stream("aac", rate=_TONE_RATE)
    block = 1024
    for start in range(0, int(seconds * _TONE_RATE), block):
        times = (np.arange(block) + start) / _TONE_RATE
        wave = (0.1 * np.sin(2 * np.pi * tone_hz * times)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = _TONE_RATE, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
