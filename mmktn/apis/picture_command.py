"""What the commands on a user's pictures share: options, one line a picture, exit status.

Exit status: 0 if every picture was worked on (also when nobody was found in it), 1 if one was not
or the command cannot start, 2 for a wrong command line. A script that goes through folders thus
sees that something is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mmengine.config import DictAction

from mmktn.apis.image_inputs import ImageInput
from mmktn.formats.pictures import MAX_PIXELS
from mmktn.utils.devices import DEVICE_HELP
from mmktn.utils.output_files import OVERWRITE_HELP, DiskFullError
from mmktn.utils.user_error import UserError, one_line


@dataclass(frozen=True)
class Outcome:
    """What became of one picture.

    Attributes:
        name: Its name.
        text: What was found, or why nothing was.
        failed: Whether it was not worked on, or its files were not written.
    """

    name: str
    text: str
    failed: bool = False


def add_picture_arguments(parser: argparse.ArgumentParser, *, out_dir: str) -> None:
    """Add the options that all of these commands have."""
    parser.add_argument("--out-dir", default=out_dir, help=f"where files go (default: {out_dir})")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    parser.add_argument(
        "--max-pixels",
        type=_count,
        default=MAX_PIXELS,
        help="larger pictures are left out, which bounds memory and time (default: %(default)s)",
    )
    parser.add_argument("--device", help=DEVICE_HELP)
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, help="override config keys: key=value ..."
    )


def attempts(images: Sequence[ImageInput], work: Callable[[ImageInput], str]) -> Iterator[Outcome]:
    """Work on pictures one by one, going on after one that cannot be used.

    Args:
        images: The pictures.
        work: Does everything for one and says what was found.

    Raises:
        DiskFullError: `work` did; the next picture would fail as well.
    """
    for image in images:
        try:
            outcome = Outcome(image.name, work(image))
        except DiskFullError:
            raise
        except UserError as error:
            outcome = Outcome(image.name, str(error), failed=True)
        yield outcome


def report_pictures(total: int, outcomes: Iterable[Outcome]) -> int:
    """Print one line a picture as they come.

    Args:
        total: Number of pictures.
        outcomes: One a picture.

    Returns:
        The exit status: 1 if one failed.
    """
    failed = 0
    for index, outcome in enumerate(outcomes, start=1):
        failed += outcome.failed
        text = f"skipped, {outcome.text}" if outcome.failed else outcome.text
        line = one_line(f"{outcome.name}: {text}")
        sys.stdout.write(f"[{index}/{total}] {line}\n")
        sys.stdout.flush()
    if failed:
        sys.stderr.write(f"{failed} of {total} pictures were skipped\n")
    return 1 if failed else 0


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
