"""`python -m mmktn shared`: which pictures two sets share, as a table and a JSON file."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from mmktn.formats.json_files import read_json
from mmktn.formats.pictures import MAX_PIXELS, SUFFIXES
from mmktn.formats.shared_pictures import PictureMark, SharedPair, mark_picture, shared_pictures
from mmktn.formats.shown import is_name_inside, shown
from mmktn.utils.output_files import OVERWRITE_HELP, claim_outputs, write_json
from mmktn.utils.user_error import UserError, one_line, one_line_errors

_SHOWN = 10
_CHUNK = 16


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn shared",
        description="Report the pictures that two sets share: equal files, and the same picture "
        "coded or sized anew.",
    )
    for name in ("first", "second"):
        parser.add_argument(
            name,
            help="folder, with those in it; or ANN.json=FOLDER, the images of a COCO file",
        )
    parser.add_argument("--out", metavar="FILE", help="write all pairs to this JSON file")
    parser.add_argument(
        "--max-bits", type=int, default=6, help="of 64, that may differ (default: %(default)s)"
    )
    parser.add_argument(
        "--min-likeness",
        type=float,
        default=0.95,
        help="least correlation of the small grey copies (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that read pictures")
    parser.add_argument(
        "--max-pixels", type=int, default=MAX_PIXELS, help="larger pictures are left out"
    )
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def list_set(text: str) -> list[Path]:
    """Return the files of a set.

    Args:
        text: Folder, or `ANN.json=FOLDER`.

    Raises:
        UserError: No such folder or file, a file of another kind, or no pictures.
    """
    file, sign, folder = text.rpartition("=")
    if not sign or Path(text).is_dir():
        file, folder = "", text
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"{folder or text} is no folder; give FOLDER or ANN.json=FOLDER")
    if not file:
        # Links to folders are not followed: they may lead back.
        found = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES)
        if not found:
            raise UserError(f"folder {root} holds no pictures")
        return found
    content = read_json(file, "images of a set")
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list) or not images:
        raise UserError(f"{file}: no list 'images'; a COCO annotation file is needed")
    names = [image.get("file_name") if isinstance(image, dict) else None for image in images]
    for place, name in enumerate(names):
        if not is_name_inside(name):
            raise UserError(f"{file}: image no. {place}: file_name is {shown(name)}")
    return [root / str(name) for name in names]


def mark_all(
    paths: Sequence[Path], workers: int, max_pixels: int
) -> Iterator[tuple[Path, PictureMark | str]]:
    """Yield the marks of pictures in order; a reason in place of one that cannot be read."""
    work = partial(_mark_or_reason, max_pixels=max_pixels)
    if workers <= 1:
        yield from zip(paths, map(work, paths), strict=True)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from zip(paths, pool.map(work, paths, chunksize=_CHUNK), strict=True)


def _mark_or_reason(path: Path, *, max_pixels: int) -> PictureMark | str:
    try:
        return mark_picture(str(path), max_pixels=max_pixels)
    except FileNotFoundError:
        return "no such file"
    except UserError as error:
        return str(error)


@one_line_errors("shared")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 1 if a picture could not be compared."""
    args = parse_args(argv)
    if args.workers < 1 or args.max_pixels < 1:
        raise UserError("--workers and --max-pixels are 1 or more")
    shared_pictures([], [], max_bits=args.max_bits, min_likeness=args.min_likeness)
    texts = (args.first, args.second)
    sets = [list_set(text) for text in texts]
    if args.out:
        files = [text.rpartition("=")[0] for text in texts]
        inputs = [*filter(None, files), *itertools.chain(*sets)]
        claim_outputs([args.out], inputs=inputs, overwrite=args.overwrite)
    marks: list[list[PictureMark]] = []
    names: list[list[Path]] = []
    failures = []
    for paths in sets:
        read = list(mark_all(paths, args.workers, args.max_pixels))
        names.append([path for path, mark in read if isinstance(mark, PictureMark)])
        marks.append([mark for _, mark in read if isinstance(mark, PictureMark)])
        for path, reason in read:
            if isinstance(reason, str):
                failures.append({"file": str(path), "reason": reason})
                sys.stderr.write(one_line(f"{path}: not compared, {reason}") + "\n")
    pairs = shared_pictures(*marks, max_bits=args.max_bits, min_likeness=args.min_likeness)
    _say(pairs, names, texts)
    if args.out:
        content = {
            "first": {"set": args.first, "pictures": len(marks[0])},
            "second": {"set": args.second, "pictures": len(marks[1])},
            "max_bits": args.max_bits,
            "min_likeness": args.min_likeness,
            "pairs": [
                {
                    "first": str(names[0][pair.first]),
                    "second": str(names[1][pair.second]),
                    "kind": "equal file" if pair.exact else "near duplicate",
                    "bits": pair.bits,
                    "likeness": round(pair.likeness, 4),
                }
                for pair in pairs
            ],
            "failures": failures,
        }
        write_json(args.out, content, indent=1)
        sys.stdout.write(f"wrote {args.out}\n")
    return int(bool(failures))


def _say(pairs: list[SharedPair], names: list[list[Path]], texts: Sequence[str]) -> None:
    """The counts, and the first pairs."""
    exact = {pair.first for pair in pairs if pair.exact}
    near = {pair.first for pair in pairs} - exact
    for text, files in zip(texts, names, strict=True):
        sys.stdout.write(one_line(f"{text}: {len(files)} pictures") + "\n")
    sys.stdout.write(
        f"{len(exact)} pictures of the first set are files of the second, {len(near)} more are "
        "near duplicates\n"
    )
    for pair in itertools.islice(pairs, _SHOWN):
        kind = "=" if pair.exact else f"~ ({pair.bits} bits, likeness {pair.likeness:.3f})"
        line = f"  {names[0][pair.first]} {kind} {names[1][pair.second]}"
        sys.stdout.write(one_line(line) + "\n")
    if len(pairs) > _SHOWN:
        sys.stdout.write(f"  and {len(pairs) - _SHOWN} more pairs (--out lists all)\n")


if __name__ == "__main__":
    sys.exit(main())
