"""Choose the points that annotators place on the surface, from a map of one person's parts.

    python tools/annotation/sample_points.py PARTS.png --out points.json --picture points.png

PARTS.png is an 8-bit single-channel picture whose values are coarse parts, 0 background and 1..14
(docs/annotation.md). The points are written as `dp_x`, `dp_y` on the 256 x 256 grid over the box.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from mmktn.annotation.points import MAX_POINTS_PER_PART, SampledPoints, sample_part_map
from mmktn.formats.pictures import PictureError, read_pixels
from mmktn.surface.parts import COARSE_PART_NAMES, NUM_COARSE
from mmktn.utils.array_files import read_array
from mmktn.utils.output_files import OVERWRITE_HELP, claim_outputs, replace_atomically, write_json
from mmktn.utils.user_error import UserError, one_line_errors

_SIDE = 640
"""Pixels of the longer side of the drawn person."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", type=Path, help="picture of the parts, or an .npy with the map")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the points")
    parser.add_argument("--picture", type=Path, help="also draw parts and points into this file")
    parser.add_argument(
        "--box", type=float, nargs=4, metavar=("X", "Y", "W", "H"), help="default: tight box"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def read_parts(path: Path) -> np.ndarray:
    """The map of a file.

    Raises:
        UserError: No such file, not readable, too large, or a colour picture.
    """
    if path.suffix == ".npy":
        return read_array(path, what="parts")
    try:
        return read_pixels(path, modes=("L", "P"))
    except PictureError as error:
        raise UserError(f"{path} {error}") from error


def as_json(points: SampledPoints) -> dict:
    """Fields of an annotation record that are known before anybody has clicked."""
    return {
        "bbox": points.box_xywh.tolist(),
        "dp_x": points.grid_xy[:, 0].round(4).tolist(),
        "dp_y": points.grid_xy[:, 1].round(4).tolist(),
        "part": points.parts.tolist(),
    }


def draw_points(parts: np.ndarray, points: SampledPoints) -> Image.Image:
    """The person's parts in muted colours, enlarged, points as dots with a rim."""
    hues = (np.arange(NUM_COARSE + 1) * 5 % NUM_COARSE * 18).astype(np.uint8)  # all different
    flat = np.full((NUM_COARSE + 1, 1, 3), 255, np.uint8)
    flat[:, 0, 0], flat[:, 0, 1], flat[0, 0, 1] = hues, 90, 0
    table = np.array(Image.fromarray(flat, "HSV").convert("RGB"))[:, 0]
    left, top = np.maximum(points.box_xywh[:2].astype(int) - 2, 0)
    right, bottom = np.ceil(points.box_xywh[:2] + points.box_xywh[2:]).astype(int) + 2
    person = parts[top:bottom, left:right]
    scale = max(1, round(_SIDE / max(person.shape)))
    picture = np.repeat(np.repeat(table[person], scale, axis=0), scale, axis=1)
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]] + 0.5
    for x, y in (points.pixels_xy - [left, top] + 0.5) * scale:
        distance = np.hypot(columns - x, rows - y)
        picture[distance < 4.5] = 255
        picture[distance < 3] = (30, 30, 40)
    return Image.fromarray(picture)


@one_line_errors("sample_points")
def main(argv: list[str] | None = None) -> int:
    """Sample, write, draw; returns the exit status."""
    args = parse_args(argv)
    outputs = [args.out, *([args.picture] if args.picture else [])]
    claim_outputs(outputs, inputs=[args.parts], overwrite=args.overwrite)
    parts = read_parts(args.parts)
    try:
        points = sample_part_map(parts, rng=np.random.default_rng(args.seed), box_xywh=args.box)
    except ValueError as error:
        raise UserError(f"{args.parts}: {error}") from error
    write_json(args.out, as_json(points))
    for part, count in zip(*np.unique(points.parts, return_counts=True), strict=True):
        print(f"{COARSE_PART_NAMES[part]:<18} {count:>2} of at most {MAX_POINTS_PER_PART}")
    print(f"{args.out}: {len(points.parts)} points")
    if args.picture:
        drawn = draw_points(parts, points).quantize(64)
        with replace_atomically(args.picture) as handle:
            drawn.save(handle, format="png", optimize=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
