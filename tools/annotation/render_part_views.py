"""Render six views of each body part with maps from clicks to surface points.

    python tools/annotation/render_part_views.py --out work_dirs/part_views
    python tools/annotation/render_part_views.py --out DIR --parts 14 --click 0 120 90

Writes NN_name.png (2 x 3 pictures) and NN_name.npz for every part. With --click VIEW X Y it prints
the surface point under that pixel and marks it in all views.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from mmktn.annotation.part_views import PartViews, part_title, render_part_views
from mmktn.surface import load_surface
from mmktn.surface.parts import NUM_COARSE
from mmktn.utils.output_files import OVERWRITE_HELP, claim_folder, claim_outputs, replace_atomically
from mmktn.utils.user_error import UserError, one_line_errors

_PER_ROW = 3


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--surface", default="human")
    parser.add_argument(
        "--parts", type=int, nargs="+", default=range(1, NUM_COARSE + 1), help="default: all"
    )
    parser.add_argument("--size", type=int, default=256, help="side of a picture in pixels")
    parser.add_argument(
        "--click", type=float, nargs=3, metavar=("VIEW", "X", "Y"), help="view from 0, pixels"
    )
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def sheet(pictures: np.ndarray) -> Image.Image:
    """Pictures (N, S, S, 3) in rows of three."""
    rows = [
        np.concatenate(list(pictures[start : start + _PER_ROW]), axis=1)
        for start in range(0, len(pictures), _PER_ROW)
    ]
    return Image.fromarray(np.concatenate(rows))


def click(views: PartViews, where: list[float]) -> tuple[str, np.ndarray]:
    """What a click hits, as text, and the pictures that show it."""
    point = views.pick(int(where[0]), where[1], where[2])
    if point is None:
        return "beside the part", views.pictures
    place = ", ".join(f"{value:.3f}" for value in point.position)
    text = (
        f"I = {point.chart}, U = {point.u:.3f}, V = {point.v:.3f}; "
        f"vertex {point.vertex} at ({place}) m"
    )
    return text, views.mark(point.position)


@one_line_errors("render_part_views")
def main(argv: list[str] | None = None) -> int:
    """Render and write; returns the exit status."""
    args = parse_args(argv)
    progress = Console(stderr=True)
    bases = {part: claim_folder(args.out) / part_title(part) for part in args.parts}
    claim_outputs(
        [base.with_suffix(suffix) for base in bases.values() for suffix in (".npz", ".png")],
        inputs=[args.surface],
        overwrite=args.overwrite,
    )
    surface = load_surface(args.surface)
    for part, base in track(
        list(bases.items()), "parts", console=progress, disable=not progress.is_terminal
    ):
        views = render_part_views(surface, part, size=args.size)
        pictures, text = views.pictures, ""
        if args.click is not None:
            try:
                text, pictures = click(views, args.click)
            except IndexError as error:
                raise UserError(f"--click: {error}") from error
        views.save(base.with_suffix(".npz"))
        palette = sheet(pictures).quantize(96, Image.Quantize.MAXCOVERAGE, kmeans=2)
        with replace_atomically(base.with_suffix(".png")) as handle:
            palette.save(handle, format="png", optimize=True)
        print(f"{base}.png, .npz" + (f": {text}" if text else ""))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
