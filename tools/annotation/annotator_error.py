"""Measure annotator error over the body surface, on rendered images with exact truth.

    python tools/annotation/annotator_error.py --simulate 40 --out work_dirs/annotator_error
    python tools/annotation/annotator_error.py --pairs pairs.json --out DIR

--simulate N renders N images, samples points on their part maps and lets a simulated annotator
place them (noise model: docs/annotation.md). --pairs reads what people made of rendered images: a
list of {"image": name, "true": [vertex, ...], "annotated": [vertex, ...]}. Writes errors.json,
pairs.json (when simulated) and error.png.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mmktn.annotation.annotator_error import AnnotatedImage, AnnotatorError, measure_error
from mmktn.annotation.error_picture import draw_vertex_values
from mmktn.annotation.part_views import render_part_views
from mmktn.annotation.simulated_annotator import AnnotatorNoise, SimulatedAnnotator
from mmktn.formats.json_files import read_json
from mmktn.formats.shown import shown
from mmktn.surface import BodySurface, load_surface
from mmktn.synthetic import GeneratorOptions, SceneOptions, make_sample
from mmktn.utils.output_files import (
    OVERWRITE_HELP,
    claim_folder,
    claim_outputs,
    replace_atomically,
    write_json,
)
from mmktn.utils.user_error import UserError, one_line_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--simulate", type=int, metavar="N", help="images to render")
    source.add_argument("--pairs", type=Path, help="JSON file of real annotators")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--surface", default="human")
    parser.add_argument(
        "--click-noise", type=float, default=AnnotatorNoise.click, help="share of a picture's side"
    )
    parser.add_argument("--side-confusion", type=float, default=AnnotatorNoise.side_confusion)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 256), metavar=("H", "W"))
    parser.add_argument("--view-size", type=int, default=256, help="pixels of the part views")
    parser.add_argument("--upper", type=float, help="metres of the last colour; default: maximum")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def simulate(args: argparse.Namespace, surface: BodySurface) -> list[AnnotatedImage]:
    """Render people, one per image, and place their points with noise."""
    views = partial(render_part_views, surface, size=args.view_size)
    noise = AnnotatorNoise(args.click_noise, args.side_confusion)
    annotator = SimulatedAnnotator(surface, views, noise=noise)
    scene = SceneOptions(size_hw=tuple(args.size), people=(1, 1))
    options = GeneratorOptions(seed=args.seed, scene=scene, surface=args.surface)
    progress = Console(stderr=True)
    images = []
    for index in track(
        range(args.simulate), "images", console=progress, disable=not progress.is_terminal
    ):
        image, records = make_sample(options, "val", index).records["coco"]
        fields = [np.concatenate([r[name] for r in records]) for name in ("dp_I", "dp_U", "dp_V")]
        true = surface.atlas.nearest_mesh_vertex(fields[0].astype(np.int64), *fields[1:])
        rng = np.random.default_rng([args.seed, index])
        images.append(AnnotatedImage(image["file_name"], true, annotator.annotate(true, rng=rng)))
    return images


def read_pairs(path: Path) -> list[AnnotatedImage]:
    """Read a file of pairs.

    Raises:
        UserError: No such file or not the documented form.
    """
    entries = read_json(path, "--pairs")
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path}: not a list of pairs but {shown(entries)}")
    try:
        return [
            AnnotatedImage(
                str(entry["image"]),
                np.array(entry["true"], dtype=np.int64).reshape(-1),
                np.array(entry["annotated"], dtype=np.int64).reshape(-1),
            )
            for entry in entries
        ]
    except (ValueError, OverflowError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a list of pairs ({error!r})") from error


def report(error: AnnotatorError) -> Table:
    """Table of the parts, centimetres."""
    table = Table("part", *("points", "mean cm", "median cm", "over the surface cm"))
    for part in error.parts:
        numbers = (100 * v for v in (part.mean_m, part.median_m, part.surface_m))
        table.add_row(part.name, str(part.points), *(f"{number:.1f}" for number in numbers))
    return table


@one_line_errors("annotator_error")
def main(argv: list[str] | None = None) -> int:
    """Measure, print, write; returns the exit status."""
    args = parse_args(argv)
    names = ["errors.json", "error.png", *([] if args.pairs else ["pairs.json"])]
    claim_outputs(
        [claim_folder(args.out) / name for name in names],
        inputs=[args.surface, *([args.pairs] if args.pairs else [])],
        overwrite=args.overwrite,
    )
    surface = load_surface(args.surface)
    images = read_pairs(args.pairs) if args.pairs else simulate(args, surface)
    error = measure_error(images, surface)
    console = Console()
    console.print(report(error))
    count = sum(part.points for part in error.parts)
    console.print(f"{error.images} images, {count} points, mean {100 * error.mean_m:.2f} cm")
    summary = {
        "images": error.images,
        "points": count,
        "mean_m": error.mean_m,
        "parts": [vars(part) for part in error.parts],
        "vertices_m": error.vertices_m.round(5).tolist(),
    }
    write_json(args.out / "errors.json", summary)
    if not args.pairs:
        pairs = [
            {"image": i.name, "true": i.true.tolist(), "annotated": i.annotated.tolist()}
            for i in images
        ]
        write_json(args.out / "pairs.json", pairs)
    # Where nobody erred every colour is the first one, whatever the scale.
    upper = args.upper or float(error.vertices_m.max()) or 0.01
    picture = Image.fromarray(draw_vertex_values(surface, error.vertices_m, upper=upper))
    palette = picture.quantize(255, Image.Quantize.MAXCOVERAGE, kmeans=2)
    with replace_atomically(args.out / "error.png") as handle:
        palette.save(handle, format="png", optimize=True)
    print(f"{args.out}: errors.json, error.png (scale 0..{100 * upper:.1f} cm)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
