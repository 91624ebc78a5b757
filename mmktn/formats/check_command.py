"""List everything that is wrong with DensePose annotation files.

    python -m mmktn check ANN.json --img-dir DIR --check-images
    python -m mmktn check ANN.json --format chimps
    python -m mmktn check ANN.json --for CONFIG.py

Exit status 0 if nothing is wrong, 1 if something is, 2 if a file cannot be read at all.
"""

import argparse
import warnings
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from mmktn.formats.annotation_checks import Problem
from mmktn.formats.annotation_sets import FORMATS
from mmktn.formats.file_check import check_file, needs_of
from mmktn.utils.config_path import read_config, require_parts
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, write_json
from mmktn.utils.user_error import one_line_errors


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="ANN.json", help="annotation files")
    parser.add_argument(
        "--format",
        choices=sorted(FORMATS),
        default="densepose_coco",
        help="the set that the files belong to (docs/datasets.md)",
    )
    parser.add_argument("--img-dir", help="folder of the images (or of train2014/, val2014/)")
    parser.add_argument(
        "--check-images", action="store_true", help="open every image (slow); needs --img-dir"
    )
    parser.add_argument("--report", help="write all problems to this JSON file")
    parser.add_argument("--max-rows", type=int, default=200, help="rows shown a file")
    parser.add_argument(
        "--for", dest="config", metavar="CONFIG", help="also check what training this config needs"
    )
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    args = parser.parse_args(argv)
    if args.check_images and args.img_dir is None:
        parser.error("--check-images needs --img-dir")
    return args


def print_problems(console: Console, problems: list[Problem], max_rows: int) -> None:
    """Print a table of one file's problems."""
    table = Table("annotation id", "image id", "field", "problem")
    for problem in problems[:max_rows]:
        ids = ("" if i is None else str(i) for i in (problem.annotation_id, problem.image_id))
        table.add_row(*map(Text, (*ids, problem.field, problem.message)))
    console.print(table)
    if len(problems) > max_rows:
        console.print(f"... {len(problems) - max_rows} more; --report or --max-rows shows them")
    counts = Counter(problem.field for problem in problems).most_common()
    text = ", ".join(f"{field} {n}" for field, n in counts)
    console.print(f"problems by field: {text}", markup=False)


def needs_of_config(path: str) -> set[str]:
    """Return what training a config needs of its annotation file."""
    config = read_config(path)
    require_parts(config, "train_dataloader")
    return needs_of(config.train_dataloader.to_dict().get("dataset"))


@one_line_errors("check")
def main(argv: Sequence[str] | None = None) -> int:
    """Check all files; returns the exit status."""
    args = parse_args(argv)
    # Behind the command line: it brings mmdet.

    if args.report:
        inputs = [*args.files, *([args.config] if args.config else [])]
        claim_output(args.report, inputs=inputs, overwrite=args.overwrite)
    needs = needs_of_config(args.config) if args.config else set()
    console = Console()
    progress = Console(stderr=True)
    found: list[Problem] = []
    for file in args.files:
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                problems = list(
                    check_file(
                        file,
                        args.img_dir,
                        file_format=FORMATS[args.format],
                        decode_images=args.check_images,
                        needs=needs,
                        track=lambda items, what: track(
                            items, what, console=progress, disable=not progress.is_terminal
                        ),
                    )
                )
        except (OSError, ValueError) as error:
            console.print(f"cannot be checked: {error}", markup=False)
            return 2
        for warning in said:
            console.print(f"warning: {warning.message}", markup=False, soft_wrap=True)
        console.print(f"{file}: {len(problems) or 'no'} problems", markup=False)
        if problems:
            print_problems(console, problems, args.max_rows)
        found += problems
    if args.report:
        write_json(args.report, [problem.as_dict() for problem in found], indent=1)
    return 1 if found else 0
