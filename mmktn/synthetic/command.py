"""Render a synthetic DensePose-COCO data set with exact ground truth.

    python -m mmktn synthesize --out data/synthetic_densepose \
        --train 300 --val 60 --size 320 256 --seed 0 --workers 2

With --crowd the crowdIndex of the images is spread over easy, medium and hard; --format crowdpose
writes 14 keypoints. Both formats of the same pictures: --format coco crowdpose.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

# One thread per worker process: the work is spread over images, not inside them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmktn.synthetic.dataset import GENERATOR_VERSION, annotation_file, generate_split
from mmktn.synthetic.overview import contact_sheet, overview_sheet
from mmktn.synthetic.sample import (
    FORMATS,
    SPLITS,
    GeneratorOptions,
    load_template,
    make_sample,
)
from mmktn.synthetic.scene import SceneOptions
from mmktn.utils.output_files import (
    claim_folder,
    claim_output,
    replace_atomically_by_name,
    write_text,
)
from mmktn.utils.user_error import UserError, one_line_errors
from mmktn.version import __version__

_MARK = b"# Synthetic people with exact DensePose ground truth"
"""First line of the notes by which a set of this command is known."""

README = """# Synthetic people with exact DensePose ground truth

Made by mmktn {version}, python -m mmktn synthesize, generator version {generator}:

    {command}

* `train/`, `val/`: pictures.
* `annotations/densepose_*.json`: DensePose-COCO, that is COCO person annotations with 17 keypoints
  and dp_x, dp_y, dp_I, dp_U, dp_V, dp_masks; images carry crowdIndex.
* `annotations/crowdpose_*.json`: the same people with CrowdPose's 14 keypoints (with --format
  crowdpose).
* `dense/train/`, `dense/val/`: one .npz a picture with `instance` (k = the k-th annotation of the
  picture, 0 = background), `chart` 0..24, `u` and `v` (divide by 65535).
* `metadata.json`: arguments, versions, counts.

Labels are those of the surface seen through pixel centres (x + 0.5, y + 0.5); nothing is estimated.
dp_ fields and dense maps are those of the body under the clothes; segmentations and boxes (tight)
include clothes, hair and bags. dp_x = (x + 0.5 - box_x) * 256 / box_w. A keypoint has v = 2
when its own part of the body is seen there, 1 when hidden, 0 when outside the picture. Every person
in a picture is annotated; whoever would show too little has been taken out of the picture.
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("data/synthetic_densepose"))
    parser.add_argument("--train", type=int, default=300, help="number of training images")
    parser.add_argument("--val", type=int, default=60, help="number of validation images")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(320, 256), metavar=("HEIGHT", "WIDTH")
    )
    parser.add_argument(
        "--people", type=int, nargs=2, default=None, metavar=("MIN", "MAX"),
        help="persons per image, before those seen too little are taken out (1 4; --crowd 2 5)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--format", nargs="+", choices=FORMATS, default=("coco",))
    parser.add_argument("--crowd", action="store_true", help="spread crowdIndex from easy to hard")
    parser.add_argument(
        "--annotated-fraction", type=float, default=1.0, help="share of persons with dp_ fields"
    )
    parser.add_argument("--occluder-rate", type=float, default=0.25)
    parser.add_argument(
        "--max-yaw", type=float, default=180.0, metavar="DEGREES",
        help="how far people turn away from the camera; 180 lets them turn their backs",
    )  # fmt: skip
    parser.add_argument("--surface", default="human", help="name or .npz of the body surface")
    parser.add_argument(
        "--overview", type=Path, help="only draw some pictures beside their labels into this file"
    )
    parser.add_argument(
        "--overview-images", type=int, nargs="+", default=(0, 1, 2), help="which training images"
    )
    parser.add_argument(
        "--pictures-only", action="store_true", help="let --overview show pictures without labels"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a data set of this command, or --overview"
    )
    return parser.parse_args(argv)


def options_from(args: argparse.Namespace) -> GeneratorOptions:
    """Yield the generator options of the command line."""
    people = tuple(args.people) if args.people else ((2, 5) if args.crowd else (1, 4))
    return GeneratorOptions(
        seed=args.seed,
        scene=SceneOptions(tuple(args.size), people, args.occluder_rate, args.max_yaw),
        crowd=args.crowd,
        annotated_fraction=args.annotated_fraction,
        formats=tuple(dict.fromkeys(args.format)),
        surface=args.surface,
    )


def clear_output(out: Path, overwrite: bool) -> None:
    """Make room for the data set; refuse to mix two of them, and to remove what is no such set.

    Raises:
        UserError: Files stand there, and they may not or must not be replaced.
    """
    parts = [claim_folder(out) / name for name in (*SPLITS, "dense", "annotations")]
    existing = [part for part in parts if part.exists() or part.is_symlink()]
    if existing and not overwrite:
        raise UserError(f"{existing[0]} exists: name another --out or add --overwrite")
    notes = out / "README.md"
    if existing and not (notes.is_file() and notes.read_bytes().startswith(_MARK)):
        raise UserError(
            f"{existing[0]} was not made by this command ({notes} does not say so), so it is not "
            "replaced; name another --out"
        )
    for part in existing:
        if part.is_symlink() or not part.is_dir():
            raise UserError(f"{part} is no folder of this command; name another --out")
    for part in existing:
        shutil.rmtree(part)
    (out / "metadata.json").unlink(missing_ok=True)


def statistics(files: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the counts of one split."""
    content = next(iter(files.values()))
    points = [len(a["dp_x"]) for a in content["annotations"] if "dp_x" in a]
    index = np.array([image["crowdIndex"] for image in content["images"]])
    hard = int((index >= 0.8).sum())
    easy = int((index < 0.2).sum())
    return {
        "images": len(content["images"]),
        "persons": len(content["annotations"]),
        "persons_with_dense_pose": len(points),
        "points_per_person": round(float(np.mean(points)), 1) if points else 0.0,
        "crowd_easy_medium_hard": [easy, len(index) - easy - hard, hard],
    }


def draw_overview(args: argparse.Namespace, options: GeneratorOptions) -> None:
    """Write a sheet of pictures and labels; a PNG gets 255 colours, which keeps it small."""
    from PIL import Image

    if args.overview.suffix.lower() not in Image.registered_extensions():
        raise UserError(f"--overview {args.overview}: give a picture's name, such as sheet.png")
    claim_output(args.overview, inputs=[args.surface], overwrite=args.overwrite)
    if min(args.overview_images) < 0:
        raise UserError(f"--overview-images {min(args.overview_images)}: pictures count from 0")
    samples = [make_sample(options, "train", index) for index in args.overview_images]
    drawn = contact_sheet(samples) if args.pictures_only else overview_sheet(samples, scale=0.6)
    sheet = Image.fromarray(drawn)
    if args.overview.suffix.lower() == ".png":
        sheet = sheet.quantize(255, dither=Image.Dither.NONE)
    with replace_atomically_by_name(args.overview) as name:
        sheet.save(name, optimize=True)
    print(f"{args.overview}: {len(samples)} images")


@one_line_errors("synthesize")
def main(argv: list[str] | None = None) -> int:
    """Render; returns the exit status."""
    args = parse_args(argv)
    options = options_from(args)
    if args.overview:
        draw_overview(args, options)
        return 0
    if min(args.train, args.val) < 0:
        raise UserError(f"--train {args.train} --val {args.val}: numbers of images are 0 or more")
    template = load_template(options.surface)
    clear_output(args.out, args.overwrite)
    command = " ".join(
        [
            "python -m mmktn synthesize",
            *(sys.argv[1:] if argv is None else argv),
        ]
    )
    # First, so that an interrupted set is known as one of this command.
    write_text(
        args.out / "README.md",
        README.format(version=__version__, generator=GENERATOR_VERSION, command=command),
    )
    counts = dict(zip(SPLITS, (args.train, args.val), strict=True))
    summary = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn()) as progress:
        for split, count in counts.items():
            task = progress.add_task(split, total=count)
            files = generate_split(
                args.out, split, count, options=options, workers=args.workers,
                on_image=partial(progress.advance, task),
            )  # fmt: skip
            summary[split] = statistics(files)
    metadata = {
        "generator": "mmktn.synthetic",
        "generator_version": GENERATOR_VERSION,
        "mmktn": __version__,
        "numpy": np.__version__,
        "surface": {"name": options.surface, "mesh": template.mesh.hash},
        "arguments": {
            "train": args.train,
            "val": args.val,
            **asdict(options),
        },
        "splits": summary,
    }
    write_text(args.out / "metadata.json", json.dumps(metadata, indent=2) + "\n")
    for split, numbers in summary.items():
        names = ", ".join(str(annotation_file(args.out, f, split)) for f in options.formats)
        print(f"{split}: {numbers} -> {names}")
    return 0
