"""From a film to its dense pose: read, predict, follow, smooth, draw, write.

A thread reads ahead, the caller's thread predicts and follows people, a thread smooths, draws and
writes. A few batches are held, however long the film is. Pieces are closed behind whole batches, so
that a run which goes on from one makes the same batches as a run which was never interrupted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mmktn.apis.image_inputs import ImageInput
from mmktn.apis.inferencer import DensePoseInferencer
from mmktn.apis.prediction import ImagePrediction
from mmktn.formats.chart_arrays import encode_png
from mmktn.formats.iuv_canvas import ChartCanvas, paint_people
from mmktn.formats.iuv_files import ChannelOrder, write_iuv_png
from mmktn.utils.output_files import replace_atomically
from mmktn.utils.user_error import UserError
from mmktn.video.film import AvFilm, Film, Frame, Place, Selection, selected, turned
from mmktn.video.journal import FilmJournal
from mmktn.video.people import FilmPerson, pack_people, unpack_people
from mmktn.video.smoothing import FilmMoment, SmoothingOptions, shrunk, smooth_frame
from mmktn.video.threads import ReadAhead, Worker
from mmktn.video.tracking import Tracker, TrackingOptions
from mmktn.video.writing import FilmFormat, Piece, PieceWriter, join_pieces
from mmktn.visualization.colormaps import render_preset
from mmktn.visualization.drawing import draw_boxes

# People below the score that begins a track may go on with one.
_WEAK_SCORE = 0.1


@dataclass(frozen=True)
class FilmOutputs:
    """Files that a run writes.

    Attributes:
        film: The drawn film, mp4.
        iuv: IUV as a lossless film (.mkv), or a folder of PNG files; None: not written.
        people: JSON lines with boxes and numbers of people; None: not written.
        maps: Whether these have the maps as well.
        preset: Look of the film.
        ids: Whether boxes and numbers are drawn.
        quality: See `FilmFormat`.
        iuv_order: Channel order of IUV files and films.
        sound: Whether sound is copied.
        min_confidence: Pixels of less confidence are left out.
    """

    film: Path
    iuv: Path | None = None
    people: Path | None = None
    maps: bool = False
    preset: str = "overlay"
    ids: bool = False
    quality: int = 18
    iuv_order: ChannelOrder = "VUI"
    sound: bool = True
    min_confidence: float = 0.0

    @property
    def iuv_is_film(self) -> bool:
        """Whether IUV goes into one file."""
        return self.iuv is not None and self.iuv.suffix.lower() == ".mkv"


@dataclass
class FilmCounts:
    """Numbers of frames by what became of them."""

    made: int = 0
    found_before: int = 0
    broken: int = 0
    tracks: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class FilmSettings:
    """Settings of a run.

    Attributes:
        selection: Which frames.
        batch_size: Frames per forward pass.
        piece: Frames, at least, of a piece.
        tracking: How people are followed.
        smoothing: How they are smoothed.
    """

    selection: Selection = field(default_factory=Selection)
    batch_size: int = 1
    piece: int = 250
    tracking: TrackingOptions = field(default_factory=TrackingOptions)
    smoothing: SmoothingOptions = field(default_factory=SmoothingOptions)


@dataclass(frozen=True)
class _Moment:
    """A frame that was read and worked on."""

    frame: Frame
    people: list[FilmPerson]
    small: np.ndarray | None

    def for_smoothing(self) -> FilmMoment:
        return FilmMoment(self.frame.image, self.people, self.small)


def predicted_people(prediction: ImagePrediction, min_confidence: float) -> list[FilmPerson]:
    """Return the people of a prediction, of any score."""
    people = []
    for box, score, result in zip(
        prediction.boxes_xyxy, prediction.scores, prediction.densepose, strict=True
    ):
        shown = result.confident(min_confidence) if min_confidence > 0 else result
        people.append(FilmPerson(np.asarray(box, np.float64), float(score), shown.iuv_uint8()))
    return people


def canvas_of(people: Sequence[FilmPerson], image_hw: tuple[int, int]) -> ChartCanvas:
    """Return the people on the frame, the highest score on top."""
    boxes = np.array([person.window for person in people], np.float64).reshape(-1, 4)
    iuvs = [person.iuv for person in people]
    return paint_people(image_hw, boxes, iuvs=iuvs, scores=[person.score for person in people])


class FilmRun:
    """One run over a film.

    Args:
        film: What is read.
        inferencer: The model.
        journal: What is done already.
        outputs: What is written.
        settings: How.
        on_frame: Told of every frame that is written: the counts so far.
        on_broken: Told of every frame that is broken, once.
    """

    def __init__(
        self,
        film: Film,
        inferencer: DensePoseInferencer,
        journal: FilmJournal,
        outputs: FilmOutputs,
        settings: FilmSettings,
        *,
        on_frame: Callable[[FilmCounts], None] = lambda counts: None,
        on_broken: Callable[[Frame], None] = lambda frame: None,
    ) -> None:
        self.film, self.inferencer, self.journal = film, inferencer, journal
        self.outputs, self.settings = outputs, settings
        self.on_frame, self.on_broken = on_frame, on_broken
        self.counts = FilmCounts()
        self._tracker = Tracker(settings.tracking)
        self._window: list[_Moment] = []  # frames that others are smoothed with, and waiting ones
        self._next = 0  # of these, the first one that is not written yet
        self._in_piece = 0
        self._pieces = _Pieces(film, journal, outputs, self.counts)

    def work(self) -> None:
        """Go through the film and leave its pieces in the journal's folder.

        Raises:
            UserError: There are no frames to work on, or files cannot be written.
        """
        for piece in self.journal.pieces:
            self.counts.found_before += piece["frames"]
            self.counts.broken += piece["broken"]
            self.counts.tracks.update(piece["tracks"])
        if self.journal.done:
            return
        state = self.journal.state()
        place = None if state is None else self._restore(state)
        reader = ReadAhead(
            selected(self.film, self.settings.selection, place=place),
            2 * self.settings.batch_size,
        )
        writer = Worker(2 * self.settings.batch_size + self.settings.smoothing.ahead)
        try:
            self._go_through(iter(reader), writer, state)
            writer.close()
        finally:
            reader.close()
            with suppress(BaseException):
                writer.stop()
            self._pieces.abandon()

    def _go_through(self, frames: Iterator[Frame], writer: Worker, state: Any) -> None:
        interrupted = False
        if state is not None:
            self._fill_window(frames, state)
        try:
            batch: list[Frame] = []
            for frame in frames:
                batch.append(frame)
                if len(batch) == self.settings.batch_size:
                    self._take(batch, writer)
                    batch = []
        except KeyboardInterrupt:
            if not self.film.info.live:
                raise
            interrupted = True  # that is how a live film ends
        if batch and not interrupted:
            self._take(batch, writer, last=True)
        if not self._window and not self.counts.found_before:
            cut = "" if self.film.cut is None else f" (it {self.film.cut})"
            raise UserError(f"{self.film.name}: no frames in what was asked for{cut}")
        self._emit(writer, ahead=0)
        end = None if not self._window else self._window[-1].frame.pts
        writer.submit(lambda: self._pieces.close(None, end))

    def _take(self, batch: list[Frame], writer: Worker, *, last: bool = False) -> None:
        """Predict a batch, follow its people, hand on what can be written, close a full piece."""
        for frame, people in zip(batch, self._predictions(batch), strict=True):
            if frame.image is None:
                self.on_broken(frame)
            # Tracks wait through a broken frame, on which nobody is found.
            people = self._tracker.update(people, frame.image, self._seconds_since(frame))
            self._window.append(self._moment(frame, people))
        self._emit(writer, ahead=self.settings.smoothing.ahead)
        if self._in_piece >= self.settings.piece and not last and not self.film.info.live:
            state = self._state()
            writer.submit(lambda: self._pieces.close(state, None))
            self._in_piece = 0

    def _seconds_since(self, frame: Frame) -> float:
        """Return the time since the frame before."""
        if not self._window:
            return float(1 / self.film.info.rate)
        return float((frame.pts - self._window[-1].frame.pts) * self.film.info.time_base)

    def _moment(self, frame: Frame, people: list[FilmPerson]) -> _Moment:
        small = None
        if frame.image is not None and not self.settings.smoothing.off:
            small = shrunk(frame.image)
        return _Moment(frame, people, small)

    def _predictions(self, batch: list[Frame]) -> list[list[FilmPerson]]:
        good = [frame for frame in batch if frame.image is not None]
        if not good:
            return [[] for _ in batch]
        images = [ImageInput(f"{f.index}.png", f.image, "RGB") for f in good]  # type: ignore[arg-type]
        weak = min(_WEAK_SCORE, self.settings.tracking.start_score)
        found = self.inferencer(images, batch_size=len(images), score_thr=weak)
        people = {
            frame.index: predicted_people(prediction, self.outputs.min_confidence)
            for frame, prediction in zip(good, found, strict=True)
        }
        return [people.get(frame.index, []) for frame in batch]

    def _emit(self, writer: Worker, *, ahead: int) -> None:
        """Hand frames to the writer that have enough frames behind them."""
        options = self.settings.smoothing
        while self._next + ahead < len(self._window):
            begin = max(self._next - options.behind, 0)
            end = min(self._next + options.ahead + 1, len(self._window))
            moments = {k - self._next: self._window[k] for k in range(begin, end)}
            writer.submit(lambda moments=moments: self._write(moments))  # type: ignore[misc]
            self._next += 1
            self._in_piece += 1
        spare = max(self._next - max(options.behind, 1), 0)
        del self._window[:spare]
        self._next -= spare

    def _write(self, moments: dict[int, _Moment]) -> None:
        """Smooth, draw and write one frame; in the writer's thread."""
        frame = moments[0].frame
        asked = {step: moment.for_smoothing() for step, moment in moments.items()}
        people = smooth_frame(asked, self.settings.smoothing)
        seconds = float((frame.pts - frame.origin) * self.film.info.time_base)
        self._pieces.add(frame, people, seconds)
        self.on_frame(self.counts)

    def _state(self) -> dict[str, Any]:
        """Return the state from which a later run goes on behind the piece that is being closed."""
        first = self._window[0].frame
        return {
            **{f"tracker_{name}": array for name, array in self._tracker.state().items()},
            **{
                f"window_{name}": array
                for name, array in pack_people([m.people for m in self._window]).items()
            },
            "place": np.array([first.index, first.pts, first.origin], np.int64),
            "next": np.array(self._next),
        }

    def _restore(self, state: dict[str, Any]) -> Place:
        own = {n.removeprefix("tracker_"): a for n, a in state.items() if n.startswith("tracker_")}
        self._tracker.restore(own)
        self._next = int(state["next"])
        index, pts, origin = (int(value) for value in state["place"])
        return Place(index, pts, origin)

    def _fill_window(self, frames: Iterator[Frame], state: dict[str, Any]) -> None:
        """Read again the pictures of the frames that later ones are smoothed with."""
        own = {n.removeprefix("window_"): a for n, a in state.items() if n.startswith("window_")}
        for people in unpack_people(own):
            frame = next(frames, None)
            if frame is None:
                raise UserError(f"{self.film.name}: is shorter than when the run began")
            self._window.append(self._moment(frame, people))


class _Pieces:
    """Writes the files of one piece after the other; used by one thread."""

    def __init__(
        self, film: Film, journal: FilmJournal, outputs: FilmOutputs, counts: FilmCounts
    ) -> None:
        self.film, self.journal, self.outputs, self.counts = film, journal, outputs, counts
        self._film: PieceWriter | None = None
        self._iuv: PieceWriter | None = None
        self._people: Any = None
        self._begin = 0
        self._frames = self._broken = 0
        self._tracks: set[int] = set()
        self._held: np.ndarray | None = None
        if journal.pieces:
            self._held = self._last_picture()

    def add(self, frame: Frame, people: list[FilmPerson], seconds: float) -> None:
        """Write one frame."""
        out, hw = self.outputs, self.film.info.size_hw
        if not self._frames:
            self._open(frame)
        canvas = canvas_of(people, hw)
        if frame.image is not None:
            picture = render_preset(canvas, out.preset, image=frame.image)
            if out.ids and people:
                boxes = np.array([person.box_xyxy for person in people])
                picture = draw_boxes(picture, boxes, texts=[str(p.track) for p in people])
            self._held = picture
        elif self._held is None:
            self._held = np.zeros((*hw, 3), np.uint8)
        assert self._film is not None
        assert self._held is not None
        self._film.write(turned(self._held, -self.film.info.rotation), frame.pts)
        self._write_iuv(canvas, frame)
        if self._people is not None:
            line = _json_line(frame, people, seconds, maps=out.maps)
            self._people.write(json.dumps(line) + "\n")
        self._frames += 1
        self._broken += frame.image is None
        self._tracks.update(person.track for person in people)
        self.counts.made += 1
        self.counts.broken += frame.image is None
        self.counts.tracks.update(self._tracks)

    def _write_iuv(self, canvas: ChartCanvas, frame: Frame) -> None:
        if self._iuv is not None:
            shown = canvas.iuv if self.outputs.iuv_order == "IUV" else canvas.iuv[::-1]
            self._iuv.write(np.ascontiguousarray(shown.transpose(1, 2, 0)), frame.pts)
        elif self.outputs.iuv is not None:
            path = self.journal.folder / "iuv" / f"{frame.index:08d}_IUV.png"
            write_iuv_png(path, canvas.iuv, order=self.outputs.iuv_order)

    def _open(self, frame: Frame) -> None:
        self._begin = frame.pts
        self._film = PieceWriter(self.journal.file("film", ".mp4"), self.film_format())
        if self.outputs.iuv_is_film:
            self._iuv = PieceWriter(self.journal.file("iuv", ".mkv"), self.iuv_format())
        if self.outputs.people is not None:
            self._people = self.journal.file("people", ".jsonl").open("w", encoding="utf-8")

    def film_format(self) -> FilmFormat:
        """Format of the drawn film, whose pixels lie as those of the film that was read."""
        info = self.film.info
        height, width = info.size_hw
        stored = (width, height) if info.rotation % 180 else (height, width)
        return FilmFormat(
            False, stored, info.rate, info.time_base, info.rotation, self.outputs.quality
        )

    def iuv_format(self) -> FilmFormat:
        """Format of the IUV film, which is upright."""
        return replace(
            self.film_format(), lossless=True, size_hw=self.film.info.size_hw, rotation=0
        )

    def close(self, state: dict[str, Any] | None, end_pts: int | None) -> None:
        """Finish the piece that is open; without a state it is the last one."""
        names = []
        if self._frames:
            for writer in (self._film, self._iuv):
                if writer is not None:
                    writer.close()
            if self._people is not None:
                self._people.close()
            number = len(self.journal.pieces)
            names = [
                p for p in self.journal.folder.glob(f"*_{number:06d}.*") if p.stem[:5] != "state"
            ]
        entry = {
            "frames": self._frames,
            "broken": self._broken,
            "tracks": sorted(self._tracks),
            "begin_pts": self._begin,
            "end_pts": end_pts,
            "files": {path.name: path.stat().st_size for path in names},
        }
        if state is not None and self._held is not None:
            state = {**state, "held": self._held}
        self._film = self._iuv = self._people = None
        self._frames = self._broken = 0
        self._tracks = set()
        self.journal.finish_piece(entry, state)

    def abandon(self) -> None:
        """Let go of files of a piece that will not be finished."""
        for writer in (self._film, self._iuv, self._people):
            if writer is not None:
                with suppress(Exception):
                    writer.close()
        self._film = self._iuv = self._people = None

    def _last_picture(self) -> np.ndarray | None:
        state = self.journal.state()
        return None if state is None else state.get("held")


def assemble(film: Film, journal: FilmJournal, outputs: FilmOutputs, selection: Selection) -> None:
    """Put the pieces of a finished run together into the files that were asked for.

    Raises:
        UserError: A file cannot be written.
    """
    pieces = _Pieces(film, journal, outputs, FilmCounts())
    numbers = [k for k, piece in enumerate(journal.pieces) if piece["frames"]]

    def files(kind: str, suffix: str) -> list[Piece]:
        return [
            Piece(journal.file(kind, suffix, k), journal.pieces[k]["begin_pts"]) for k in numbers
        ]

    sound = film if outputs.sound and film.info.sound and isinstance(film, AvFilm) else None
    whole = selection.last is None and selection.end_s is None
    end = journal.pieces[-1]["end_pts"]
    step = round(selection.every / (film.info.rate * film.info.time_base))
    if outputs.iuv is not None and outputs.iuv_is_film:
        join_pieces(outputs.iuv, files("iuv", ".mkv"), pieces.iuv_format())
    elif outputs.iuv is not None:
        outputs.iuv.mkdir(parents=True, exist_ok=True)
        for path in sorted((journal.folder / "iuv").glob("*.png")):
            shutil.move(path, outputs.iuv / path.name)  # perhaps to another disk
    if outputs.people is not None:
        with replace_atomically(outputs.people) as handle:
            for piece in files("people", ".jsonl"):
                with piece.path.open("rb") as part:
                    while block := part.read(1 << 20):
                        handle.write(block)
    join_pieces(
        outputs.film,
        files("film", ".mp4"),
        pieces.film_format(),
        sound=sound,
        end_pts=None if whole or end is None else end + step,
    )


def _json_line(
    frame: Frame, people: Sequence[FilmPerson], seconds: float, *, maps: bool
) -> dict[str, Any]:
    line: dict[str, Any] = {"frame": frame.index, "time_s": round(seconds, 6), "people": []}
    if frame.error is not None:
        line["error"] = frame.error
    for person in people:
        x0, y0, x1, y1 = (round(float(value), 3) for value in person.box_xyxy)
        entry: dict[str, Any] = {
            "track_id": person.track,
            "bbox": [x0, y0, round(x1 - x0, 3), round(y1 - y0, 3)],
            "score": round(person.score, 5),
            "detected": person.seen,
        }
        if maps:
            iuv = person.on_box()
            entry["uv_shape"] = list(iuv.shape)
            entry["uv_data"] = encode_png(iuv)
        line["people"].append(entry)
    return line


def rate_of(text: str) -> Fraction:
    """Read the frames per second of a command line: 25, 29.97, 30000/1001.

    Raises:
        ValueError: It is no number above 0.
    """
    value = Fraction(text)
    if not 0 < value <= 1000:
        raise ValueError(f"{text}: frames per second lie above 0 and up to 1000")
    return value.limit_denominator(100_000)
