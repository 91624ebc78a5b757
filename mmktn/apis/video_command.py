"""`python -m mmktn video`: a film in, a film of dense pose out, resumable.

Exit status: 0 if every frame was worked on, 1 if one was broken or the command cannot start, 2 for
a wrong command line.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from mmengine.config import DictAction
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mmktn.apis.film_run import (
    FilmCounts,
    FilmOutputs,
    FilmRun,
    FilmSettings,
    assemble,
    rate_of,
)
from mmktn.apis.picture_command import positive
from mmktn.apis.predict_command import weights_word
from mmktn.apis.topdown_inferencer import open_inferencer
from mmktn.formats.pictures import MAX_PIXELS
from mmktn.utils.config_path import resolve_config
from mmktn.utils.devices import DEVICE_HELP
from mmktn.utils.file_lock import single_writer
from mmktn.utils.optional import require
from mmktn.utils.output_files import OVERWRITE_HELP, claim_folder, claim_output
from mmktn.utils.user_error import UserError, one_line, one_line_errors
from mmktn.version import __version__
from mmktn.video.film import Film, Frame, Selection, open_film
from mmktn.video.journal import FilmJournal
from mmktn.video.smoothing import SmoothingOptions
from mmktn.video.tracking import TrackingOptions
from mmktn.video.writing import FILM_SUFFIXES
from mmktn.visualization import PRESETS
from mmktn.zoo.named_weights import resolve_names
from mmktn.zoo.table import DEFAULT

_LINE_EVERY_S = 20.0
_TIME = re.compile(r"^(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)(s?)$")


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn video",
        description="Dense pose of a film as a film; a run that was interrupted goes on.",
    )
    parser.add_argument(
        "film",
        metavar="FILM",
        help="film file, folder of pictures, number of a camera, address of a stream",
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE.mp4", help="the drawn film (H.264, sound copied)"
    )
    parser.add_argument("--preset", default="overlay", choices=sorted(PRESETS), help="its look")
    parser.add_argument("--ids", action="store_true", help="draw boxes with numbers of people")
    parser.add_argument("--iuv", metavar="FILE.mkv|FOLDER", help="IUV, lossless film or PNG files")
    parser.add_argument("--iuv-order", default="VUI", choices=["VUI", "IUV"], help="of 'iuv'")
    parser.add_argument(
        "--jsonl", metavar="FILE", help="one line per frame: boxes, scores, numbers of people"
    )
    parser.add_argument("--maps", action="store_true", help="maps of each person in --jsonl, too")
    parser.add_argument("--quality", type=int, default=18, help="of H.264, 0 (best) to 51")
    parser.add_argument("--no-sound", action="store_true", help="leave the sound out")
    parser.add_argument(
        "--start", metavar="T", help="first frame: its number, or a time (12.5s, 1:02:03)"
    )
    parser.add_argument("--end", metavar="T", help="first frame that is left out, likewise")
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="each N-th frame")
    parser.add_argument("--fps", help="frames per second of a folder of pictures (default: 25)")
    parser.add_argument("--model", default=DEFAULT, help="published model, or a config")
    parser.add_argument("--checkpoint", help="weights, for a config")
    parser.add_argument("--score-thr", type=float, default=0.3, help="people begin above this")
    parser.add_argument(
        "--min-confidence", type=float, default=0.0, help="pixels below are left out (0 to 1)"
    )
    parser.add_argument(
        "--smooth",
        type=int,
        default=SmoothingOptions().ahead,
        metavar="K",
        help="smooth over K frames on either side; 0: not (default: %(default)s)",
    )
    parser.add_argument("--batch-size", type=positive, default=1, help="frames per forward pass")
    parser.add_argument(
        "--piece",
        type=positive,
        default=250,
        help="frames after which an interrupted run can resume",
    )
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    parser.add_argument(
        "--max-pixels", type=positive, default=MAX_PIXELS, help="larger frames are refused"
    )
    parser.add_argument("--device", help=DEVICE_HELP)
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, help="override config keys: key=value ..."
    )
    return parser.parse_args(argv)


def selection_of(args: argparse.Namespace) -> Selection:
    """Tell which frames a command line asks for.

    Raises:
        UserError: A place is none, or the end is not behind the start.
    """
    values: dict[str, Any] = {"every": args.every}
    for flag, number, seconds in (("start", "first", "start_s"), ("end", "last", "end_s")):
        text = getattr(args, flag)
        if text is None:
            continue
        match = _TIME.match(text)
        if match is None:
            raise UserError(f"--{flag} {text}: give a frame (120) or a time (4.8s, 0:04.8)")
        hours, minutes, rest, unit = match.groups()
        if minutes is None and not unit and "." not in rest:
            values[number] = int(rest)
        else:
            values[seconds] = 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(rest)
    found = Selection(**values)
    empty = found.last is not None and found.last <= found.first
    if empty or (found.end_s is not None and found.end_s <= found.start_s):
        raise UserError(f"--end {args.end} is not behind the start")
    return found


def check_args(args: argparse.Namespace) -> tuple[Selection, Fraction | None]:
    """Check what argparse does not.

    Raises:
        UserError: A value that cannot be used; the text names it.
    """
    if Path(args.out).suffix.lower() not in FILM_SUFFIXES:
        raise UserError(f"--out {args.out}: films are written as {', '.join(FILM_SUFFIXES)}")
    if not 0 <= args.quality <= 51:
        raise UserError(f"--quality {args.quality}: H.264 knows 0 (best) to 51")
    if not 0 <= args.smooth <= 15:
        raise UserError(f"--smooth {args.smooth}: give 0 (off) to 15 frames")
    if not 0 <= args.score_thr <= 1:
        raise UserError(f"--score-thr {args.score_thr}: give 0 to 1")
    if args.maps and args.jsonl is None:
        raise UserError("--maps go into the lines of --jsonl, which is not given")
    rate = None
    if args.fps is not None:
        try:
            rate = rate_of(args.fps)
        except (ValueError, ZeroDivisionError) as error:
            raise UserError(f"--fps {args.fps}: give frames per second (25, 30000/1001)") from error
        if not Path(args.film).is_dir():
            raise UserError("--fps is for a folder of pictures; a film has its own rate")
    require("av", "video")
    return selection_of(args), rate


def claim_outputs_of(args: argparse.Namespace, *, begun: bool) -> FilmOutputs:
    """Check that all files may be written.

    Args:
        args: The command line.
        begun: Whether a run before has begun to put them there.

    Raises:
        UserError: One may not.
    """
    inputs = [args.film] if Path(args.film).is_file() else []
    overwrite = args.overwrite
    out = claim_output(args.out, inputs=inputs, overwrite=overwrite)
    iuv = people = None
    if args.iuv is not None and Path(args.iuv).suffix.lower() == ".mkv":
        iuv = claim_output(args.iuv, inputs=inputs, overwrite=overwrite or begun)
    elif args.iuv is not None:
        iuv = claim_folder(args.iuv)
        if iuv.suffix and not iuv.is_dir():
            raise UserError(f"--iuv {iuv}: give a .mkv file or a folder; other files lose charts")
        below = Path(args.film).is_dir() and iuv.resolve().is_relative_to(Path(args.film).resolve())
        if below:
            raise UserError(f"--iuv {iuv} lies in the folder that is read; give another one")
        if iuv.is_dir() and any(iuv.iterdir()) and not (overwrite or begun):
            raise UserError(f"{iuv} is not empty; write to another folder or pass --overwrite")
    if args.jsonl is not None:
        people = claim_output(args.jsonl, inputs=inputs, overwrite=overwrite or begun)
    named = [Path(p).resolve() for p in (out, iuv, people) if p is not None]
    if len(set(named)) != len(named):
        raise UserError("two of --out, --iuv and --jsonl are one file")
    return FilmOutputs(
        film=out,
        iuv=iuv,
        people=people,
        maps=args.maps,
        preset=args.preset,
        ids=args.ids,
        quality=args.quality,
        iuv_order=args.iuv_order,
        sound=not args.no_sound,
        min_confidence=args.min_confidence,
    )


def settings_word(args: argparse.Namespace, film: Film, config: str, weights: str) -> str:
    """Return what decides the result, as a short word."""
    left_out = ("out", "overwrite", "device", "film", "model", "checkpoint")
    asked = {name: value for name, value in vars(args).items() if name not in left_out}
    parts = [__version__, Path(config).name, weights, film.digest(), sorted(asked.items())]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]


@one_line_errors("video")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    args = parse_args(argv)
    wanted, rate = check_args(args)
    folder = Path(f"{args.out}.parts")
    claim_outputs_of(args, begun=folder.is_dir())
    film = open_film(args.film, rate=rate, max_pixels=args.max_pixels)
    config, checkpoint = resolve_names(args.model, args.checkpoint)
    if checkpoint is None:
        raise UserError(f"--model {args.model} is a config: give its weights with --checkpoint")
    word = settings_word(args, film, resolve_config(config), weights_word(checkpoint))
    with _one_run(folder, waiting=f"another run makes {args.out}; waiting for its end"):
        journal = FilmJournal(folder, word, anew=args.overwrite or film.info.live)
        try:
            # A run that was interrupted while it put its files in place may replace these.
            outputs = claim_outputs_of(args, begun=journal.done)
            inferencer = open_inferencer(
                config, checkpoint, device=args.device, cfg_options=args.cfg_options
            )
            inferencer.check_confidence(args.min_confidence)
            if getattr(inferencer, "detector", inferencer) is None:
                raise UserError(f"{args.model} is a top-down system, which needs boxes")
            settings = FilmSettings(
                wanted,
                args.batch_size,
                args.piece,
                TrackingOptions(start_score=args.score_thr),
                SmoothingOptions.of(args.smooth),
            )
            with _progress(wanted.total(film.info)) as on_frame:
                run = FilmRun(
                    film,
                    inferencer,
                    journal,
                    outputs,
                    settings,
                    on_frame=on_frame,
                    on_broken=lambda frame: _say_broken(film, frame),
                )
                run.work()
        finally:
            if not journal.pieces:  # nothing to go on with
                journal.remove()
        assemble(film, journal, outputs, wanted)
        journal.remove()
    return _report(args, film, run.counts)


@contextmanager
def _one_run(folder: Path, *, waiting: str) -> Iterator[None]:
    """Hold the lock of a film's pieces, and take it away with them."""
    with single_writer(folder, waiting=waiting):
        try:
            yield
        finally:
            if not folder.exists():
                Path(f"{folder}.lock").unlink(missing_ok=True)


def _report(args: argparse.Namespace, film: Film, counts: FilmCounts) -> int:
    before = f", {counts.found_before} of them in a run before" if counts.found_before else ""
    total = counts.made + counts.found_before
    sys.stdout.write(
        f"{total} frames{before}, {len(counts.tracks)} people -> {one_line(args.out)}\n"
    )
    if counts.broken:
        sys.stderr.write(
            f"{counts.broken} of {total} frames are broken; the picture before each stands in its "
            "place\n"
        )
    if film.cut is not None:
        sys.stderr.write(one_line(f"{film.name}: {film.cut}") + "\n")
    return int(counts.broken > 0 or film.cut is not None)


def _say_broken(film: Film, frame: Frame) -> None:
    seconds = float((frame.pts - frame.origin) * film.info.time_base)
    text = f"{film.name}: frame {frame.index} at {seconds:.3f} s {frame.error}"
    sys.stderr.write(one_line(text) + "\n")


@contextmanager
def _progress(total: int | None) -> Iterator[Callable[[FilmCounts], None]]:
    """A bar with the time left on a terminal, a line now and then elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(total)
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames"),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("frames", total=total)
        yield lambda counts: bar.update(task, completed=counts.made + counts.found_before)


def _lines(total: int | None) -> Callable[[FilmCounts], None]:
    """Make a function that writes progress to stderr; the pace counts from the first frame."""
    begin, before, said = 0.0, -1, 0.0

    def say(counts: FilmCounts) -> None:
        nonlocal begin, before, said
        now = time.monotonic()
        if before < 0:
            begin, before, said = now, counts.made, now
        if now - said < _LINE_EVERY_S:
            return
        said = now
        pace = max(counts.made - before, 1) / (now - begin)
        done = counts.made + counts.found_before
        left = "" if total is None else f", {max(total - done, 0) / pace:.0f} s left"
        of = "" if total is None else f" of {total}"
        sys.stderr.write(f"{done}{of} frames, {pace:.1f} a second{left}\n")

    return say
