"""`python -m mmktn import-fits`: fitted bodies become DensePose annotations and results."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from mmktn.formats.coco_fields import category_table
from mmktn.formats.dense_detections import DenseDetections
from mmktn.formats.json_files import read_json
from mmktn.formats.pictures import MAX_PIXELS, read_picture
from mmktn.formats.result_files import official_entry
from mmktn.surface import load_surface
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.linear_model import LinearBodyModel
from mmktn.surface.mesh_map import MeshMap
from mmktn.surface.parts import COCO_KEYPOINT_NAMES
from mmktn.synthetic.fit_files import FitFile, import_fits, read_fits
from mmktn.synthetic.mesh_labels import MeshLabels
from mmktn.synthetic.sample import COCO_SKELETON
from mmktn.utils.output_files import (
    OVERWRITE_HELP,
    claim_folder,
    claim_outputs,
    write_json,
)
from mmktn.utils.user_error import UserError, one_line_errors


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn import-fits",
        description="Fitted bodies (vertices or parameters, and cameras) -> visible I, U, V, "
        "DensePose-COCO annotations, masks, keypoints, and results to score (docs/fits.md).",
    )
    parser.add_argument(
        "fits", type=Path, help=".npz with a row per person, or .json naming meshes"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--surface", default="human", help="name, .npz or folder (load_surface)")
    parser.add_argument("--model", type=Path, help="body model (.npz) of poses and shapes")
    parser.add_argument("--correspondence", type=Path, help="from the fitted mesh to a charted one")
    parser.add_argument("--images", type=Path, help="folder of the pictures, for their sizes")
    parser.add_argument(
        "--annotations", type=Path,
        help="COCO file of the pictures: sizes and image ids are taken from it",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the choice of annotated points")
    parser.add_argument("--min-pixels", type=int, default=60, help="fewest visible of a person")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    args = parser.parse_args(argv)
    if args.seed < 0 or args.min_pixels < 1:
        parser.error("--seed is at least 0, --min-pixels at least 1")
    return args


@one_line_errors("import-fits")
def main(argv: Sequence[str] | None = None) -> int:
    """Import; returns the exit status."""
    args = parse_args(argv)
    claim_folder(args.out)
    model = LinearBodyModel.read(args.model) if args.model else None
    fits = read_fits(args.fits, model=model)
    mesh_map = MeshMap.read(args.correspondence) if args.correspondence else None
    known, category = _known_images(args.annotations) if args.annotations else ({}, 1)
    images = _image_records(args, fits, known)
    files = {name: args.out / "dense" / f"{image['stem']}.npz" for name, image in images.items()}
    annotations, results = args.out / "annotations.json", args.out / "results.json"
    given = [args.fits, args.model, args.correspondence, args.annotations]
    claim_outputs(
        [annotations, results, *files.values()],
        inputs=[path for path in given if path],
        overwrite=args.overwrite,
    )
    surface = load_surface(args.surface)
    sizes = {name: (image["height"], image["width"]) for name, image in images.items()}
    people: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    progress = Console(stderr=True)
    labelled = import_fits(fits, surface, sizes=sizes, mesh_map=mesh_map)
    for name, scores, labels in track(
        labelled, "images", len(images), console=progress, disable=not progress.is_terminal
    ):
        image_id = images[name]["id"]
        for record in labels.records(seed=args.seed, min_pixels=args.min_pixels):
            score = scores[record.pop("person")]
            people.append({"id": len(people) + 1, "image_id": image_id, **record, "score": score})
        entries += _result_entries(labels, image_id, scores, category)
        labels.maps.write(files[name])
    write_json(annotations, _annotation_file(list(images.values()), people, surface))
    write_json(results, entries)
    total = sum(map(len, fits.images.values()))
    text = f"{args.out}: {len(images)} images, {len(people)} of {total} fitted people annotated"
    Console().print(text, markup=False, highlight=False, soft_wrap=True)
    return 0


def _result_entries(
    labels: MeshLabels, image_id: int, scores: Sequence[float], category: int
) -> list[dict[str, Any]]:
    """Return the entries of the official result format, of all people with a visible pixel."""
    seen = np.flatnonzero(labels.areas).tolist()
    found = [labels.maps.person(k + 1) for k in seen]
    detections = DenseDetections.from_maps(
        [image_id] * len(seen),
        [box for box, _ in found],
        scores=[scores[k] for k in seen],
        maps=[iuv for _, iuv in found],
        category_ids=category,
    )
    return [official_entry(detections, k) for k in range(len(seen))]


def _image_records(
    args: argparse.Namespace, fits: FitFile, known: dict[str, tuple[int, tuple[int, int]]]
) -> dict[str, dict[str, Any]]:
    """Image name -> id, file name, size and a stem for files, the sizes from where they are."""
    records: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(fits.images, 1):
        entry = known.get(name) or known.get(Path(name).name)
        if args.annotations and entry is None:
            raise UserError(f"{args.annotations}: no image {name!r}, which {args.fits} names")
        if entry is not None:
            image_id, hw = entry
        elif name in fits.sizes:
            image_id, hw = number, fits.sizes[name]
        elif args.images:
            height, width = read_picture(args.images / name).shape[:2]
            image_id, hw = number, (height, width)
        else:
            raise UserError(
                f"{args.fits}: the size of {name!r} is unknown; pass --images FOLDER, "
                "--annotations FILE, or an array image_hw"
            )
        records[name] = {
            "id": image_id, "file_name": name, "height": hw[0], "width": hw[1],
            "stem": Path(name).stem,
        }  # fmt: skip
    if len({record["id"] for record in records.values()}) < len(records):
        raise UserError(f"{args.annotations}: names of {args.fits} stand for one image of it")
    stems = [record["stem"] for record in records.values()]
    if len(set(stems)) < len(stems):  # equal names in different folders
        for record in records.values():
            record["stem"] = f"{record['id']:012d}"
    return records


def _known_images(file: Path) -> tuple[dict[str, tuple[int, tuple[int, int]]], int]:
    """File name -> id and (h, w) of the images of a COCO file, and its category of people."""
    content = read_json(file, "--annotations")
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise UserError(f"{file}: no list 'images' of objects")
    known = {}
    for place, image in enumerate(images):
        numbers = [image.get(key) for key in ("id", "height", "width")]
        if not all(isinstance(n, int) and 0 <= n < 2**53 for n in numbers):
            raise UserError(f"{file}: image {place} needs whole numbers id, height, width")
        if not 1 <= numbers[1] * numbers[2] <= MAX_PIXELS:
            raise UserError(f"{file}: image {place} has {numbers[2]} x {numbers[1]} pixels")
        known[str(image.get("file_name"))] = (numbers[0], (numbers[1], numbers[2]))
    names = category_table(content, str(file))
    people = [number for number, name in names.items() if name == "person"] or sorted(names)
    return known, people[0]


def _annotation_file(
    images: list[dict[str, Any]], people: list[dict[str, Any]], surface: BodySurface
) -> dict[str, Any]:
    fields = ("id", "file_name", "height", "width")
    return {
        "info": {"description": f"fitted bodies, charts of surface {surface.name}"},
        "licenses": [],
        "categories": [
            {
                "id": 1,
                "name": "person",
                "supercategory": "person",
                "keypoints": list(COCO_KEYPOINT_NAMES),
                "skeleton": COCO_SKELETON,
            }
        ],
        "images": [{key: image[key] for key in fields} for image in images],
        "annotations": people,
    }
