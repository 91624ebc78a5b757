"""What the commands on a user's pictures share: options, one line per picture, exit status.

Exit status: 0 if every picture was worked on (also when nobody was found in it), 1 if one was not
or the command cannot start, 2 for a wrong command line. A script that goes through folders thus
sees that something is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmktn.apis.image_inputs import ImageInput
from mmktn.formats.pictures import MAX_PIXELS
from mmktn.utils.config_path import CONFIG_SUFFIXES
from mmktn.utils.devices import DEVICE_HELP
from mmktn.utils.output_files import OVERWRITE_HELP, DiskFullError
from mmktn.utils.run_arguments import add_config_options
from mmktn.utils.user_error import UserError, one_line

SAVE_FORMATS = ("json", "npz", "iuv", "charts", "confidence")
"""What the option --save of these commands offers, see `save_prediction`."""


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


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which pictures and which model; `read_model_arguments` sorts it out."""
    parser.usage = "%(prog)s IMAGE... (CONFIG CHECKPOINT | --model NAME) [options]"
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="IMAGE",
        help="image files and folders of images; behind them config (a file, or "
        "mmktn::folder/name.py) and checkpoint, if they are no published model's",
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="published model by name, fetched at its first use (python -m mmktn models)",
    )


def read_model_arguments(
    parser: argparse.ArgumentParser, args: argparse.Namespace, *, default: str | None
) -> None:
    """Set `images`, `config` and `checkpoint` (None: the published one) from the command line.

    Args:
        parser: The parser, for errors.
        args: What it read.
        default: Published model that is taken where none is named.
    """
    images, last_two = args.inputs[:-2], args.inputs[-2:]
    if args.model is not None:
        args.images, args.config, args.checkpoint = args.inputs, args.model, None
    elif images and ("::" in last_two[0] or Path(last_two[0]).suffix in CONFIG_SUFFIXES):
        args.images, (args.config, args.checkpoint) = images, last_two
    elif default is not None:
        args.images, args.config, args.checkpoint = args.inputs, default, None
    else:
        parser.error("give CONFIG and CHECKPOINT behind the images, or --model NAME")


def add_picture_arguments(
    parser: argparse.ArgumentParser, *, out_dir: str | None, out_flag: str = "--out-dir"
) -> None:
    """Add the options that all of these commands have.

    Args:
        parser: Receives them.
        out_dir: Default of the folder for files; None: it has to be given.
        out_flag: Name of that option.
    """
    default = "" if out_dir is None else f" (default: {out_dir})"
    parser.add_argument(
        out_flag,
        dest="out_dir",
        default=out_dir,
        required=out_dir is None,
        metavar="FOLDER",
        help=f"where files go{default}",
    )
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    parser.add_argument(
        "--max-pixels",
        type=positive,
        default=MAX_PIXELS,
        help="larger pictures are left out, which bounds memory and time (default: %(default)s)",
    )
    parser.add_argument("--device", help=DEVICE_HELP)
    add_config_options(parser)


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
    """Print one line per picture as they come.

    Args:
        total: Number of pictures.
        outcomes: One per picture.

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


def positive(text: str) -> int:
    """Return a whole number above zero of a command line."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
