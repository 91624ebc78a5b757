"""`python -m mmktn query`: print or draw entries of an annotation file chosen by an expression."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmktn.formats.annotation_query import QUANTITIES, Query, chosen, shown_fields
from mmktn.formats.json_files import read_json
from mmktn.utils.output_files import (
    OVERWRITE_HELP,
    claim_folder,
    claim_output,
    claim_outputs,
    write_json,
)
from mmktn.utils.user_error import UserError, one_line_errors

FIELDS = ("id", "image_id", "category_id", "width", "height", "num_points")


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn query",
        description="Print or draw entries of an annotation file that an expression chooses.",
        epilog="Example: python -m mmktn query ann.json 'iscrowd == 0 and num_points > 90 and "
        "image.width >= 600'. Names are fields of the annotation, image.FIELD, category.FIELD, and "
        + ", ".join(QUANTITIES) + ".",
    )  # fmt: skip
    parser.add_argument("file", metavar="ANN.json", help="annotation file of COCO's format")
    parser.add_argument("expression", nargs="?", default="", help="which entries; none: all")
    parser.add_argument("--fields", nargs="+", default=FIELDS, help="columns that are printed")
    parser.add_argument("--max", type=int, default=20, help="entries printed or drawn; 0: all")
    parser.add_argument("--count", action="store_true", help="print the number of entries alone")
    parser.add_argument("--out", metavar="FILE.json", help="write a file of these entries")
    parser.add_argument("--draw", metavar="FOLDER", help="draw the pictures with these entries")
    parser.add_argument("--img-dir", help="folder of the images, for --draw")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    args = parser.parse_args(argv)
    if args.draw and not args.img_dir:
        parser.error("--draw needs --img-dir")
    return args


@one_line_errors("query")
def main(argv: Sequence[str] | None = None) -> int:
    """Choose, then print, write or draw; returns the exit status."""
    args = parse_args(argv)
    query = Query(args.expression)
    data = read_json(args.file, "annotation file")
    lists = ("images", "annotations", "categories")
    if not isinstance(data, dict) or not all(_are_records(data.get(key)) for key in lists):
        raise UserError(f"{args.file}: not a COCO annotation file with {', '.join(lists)}")
    found = list(chosen(data, query))
    if args.count:
        _say(len(found))
    else:
        _print(found, args)
    if args.out:
        target = claim_output(args.out, inputs=[args.file], overwrite=args.overwrite)
        images = {image["id"]: image for _, image, _ in found if "id" in image}
        entries = [entry for entry, _, _ in found]
        write_json(target, data | {"images": list(images.values()), "annotations": entries})
        _say(f"{len(entries)} annotations of {len(images)} images in {target}")
    if args.draw:
        _draw(found, data, args)
    return 0


def _say(text: object) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _limited(found: list, limit: int) -> list:
    return found[:limit] if limit > 0 else found


def _print(found: list[tuple[dict, dict, dict]], args: argparse.Namespace) -> None:
    """Columns of equal width; text of the file is printed as it is, without control codes."""
    rows = [list(args.fields)]
    for entry, image, category in _limited(found, args.max):
        cells = []
        for name in args.fields:
            part, dot, rest = name.partition(".")
            record = {"image": image, "category": category}.get(part, entry) if dot else entry
            text = shown_fields(record, [rest if dot else name])[rest if dot else name]
            cells.append("".join(c if c.isprintable() else "?" for c in text))
        rows.append(cells)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        _say("  ".join(padded).rstrip())
    _say(f"{len(found)} entries, {len(rows) - 1} shown")


def _draw(
    found: list[tuple[dict, dict, dict]], data: dict[str, Any], args: argparse.Namespace
) -> None:
    """Draw pictures with their chosen entries."""
    import tempfile

    import numpy as np

    from mmktn.datasets import DensePoseCocoDataset
    from mmktn.formats.picture_writing import write_image
    from mmktn.utils.setup_env import register_all_modules
    from mmktn.visualization.annotation_drawing import draw_annotations

    register_all_modules(init_default_scope=True)
    folder = claim_folder(args.draw)
    chosen_ids = dict.fromkeys(image["id"] for _, image, _ in found if "id" in image)
    wanted = set(_limited(list(chosen_ids), args.max))
    if not wanted:
        _say("nothing to draw")
        return
    entries = [entry for entry, _, _ in found if entry["image_id"] in wanted]
    categories = (category.get("name") for _, _, category in found)
    names = {name: "entry" for name in categories if isinstance(name, str)}
    with tempfile.TemporaryDirectory() as place:
        part = Path(place) / Path(args.file).name
        images = [image for image in data["images"] if image.get("id") in wanted]
        write_json(part, data | {"images": images, "annotations": entries})
        dataset = DensePoseCocoDataset(
            ann_file=str(part),
            data_prefix={"img": args.img_dir},
            categories=names,
            pipeline=[
                {"type": "mmktn.LoadImageFromFile"},
                {"type": "mmdet.LoadAnnotations", "with_bbox": True},
                {"type": "mmktn.LoadDensePoseAnnotations", "with_keypoints": False},
                {"type": "mmktn.PackDensePoseInputs"},
            ],
        )
        sources = [Path(dataset.get_data_info(k)["img_path"]) for k in range(len(dataset))]
        targets = claim_outputs(
            [folder / f"{source.stem}.png" for source in sources],
            inputs=sources,
            overwrite=args.overwrite,
        )
        for index, target in enumerate(targets):
            item = dataset[index]
            people = item["data_samples"].gt_instances
            image = np.ascontiguousarray(item["inputs"].numpy().transpose(1, 2, 0)[..., ::-1])
            picture = draw_annotations(image, people.bboxes.numpy(), people.densepose)
            write_image(target, picture)
        _say(f"{len(dataset)} pictures in {folder}")
