"""`python -m mmktn doctor-labels ANN.json --images DIR`: what looks wrong, worst first."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mmktn.annotation.body_parts import SCHEMES, read_scheme
from mmktn.formats.json_files import read_json
from mmktn.label_doctor.examination import PlaceModel, examine, mended
from mmktn.label_doctor.findings import KINDS
from mmktn.label_doctor.page import page
from mmktn.label_doctor.records import labelled_people
from mmktn.surface import load_surface
from mmktn.utils.output_files import OVERWRITE_HELP, claim_outputs, write_json, write_text
from mmktn.utils.user_error import UserError, one_line, one_line_errors


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn doctor-labels",
        description="Rank what looks wrong in a DensePose-COCO file, on a page with crops.",
    )
    parser.add_argument("file", metavar="ANN.json")
    parser.add_argument("--images", required=True, type=Path, help="folder of its pictures")
    parser.add_argument("--out", default="label_doctor.html", help="the page")
    parser.add_argument("--json", help="also write all findings to this file")
    parser.add_argument(
        "--fixed", help="write a copy with the safe changes, and what changed beside it"
    )
    parser.add_argument("--surface", help="body: a name, an .npz or a folder (docs/surface.md)")
    parser.add_argument("--parts", metavar="|".join([*SCHEMES, "FILE.json"]), help="its parts")
    parser.add_argument("--model", help="compare with a model: shipped, a name or a config")
    parser.add_argument("--checkpoint", help="weights, for a config")
    parser.add_argument(
        "--other-images", type=Path, help="folder of another set, to find shared pictures"
    )
    parser.add_argument("--kinds", nargs="+", choices=sorted(KINDS), default=list(KINDS))
    parser.add_argument("--most", type=int, default=300, help="crops on the page")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


class InferencerPlaces:
    """A model of ours as `PlaceModel`."""

    def __init__(self, model: str | None, checkpoint: str | None) -> None:
        from mmktn.apis import DensePoseInferencer

        self._inferencer: Any = DensePoseInferencer(model, checkpoint)

    def places(
        self, image: NDArray[np.uint8], box_xyxy: NDArray[np.float64]
    ) -> tuple[NDArray[np.integer], NDArray[np.floating], tuple[int, int]]:
        """As in `PlaceModel`.

        Raises:
            UserError: The model does not take boxes, or this one.
        """
        (found,) = self._inferencer([image], boxes=[box_xyxy[None]], channel_order="BGR")
        if found.error is not None:
            raise UserError(f"--model: {found.error}")
        (result,) = found.densepose
        return np.asarray(result.labels), np.asarray(result.uv), result.xy


@one_line_errors("doctor-labels")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    args = parse_args(argv)
    outputs = [name for name in (args.out, args.json, args.fixed) if name]
    outputs += [changes_file(args.fixed)] if args.fixed else []
    claim_outputs(outputs, inputs=[args.file], overwrite=args.overwrite)
    if args.most < 0:
        raise UserError(f"--most {args.most}: give 0 or more crops")
    for folder in filter(None, (args.images, args.other_images)):
        if not folder.is_dir():
            raise UserError(f"{folder} is no folder of pictures")
    data = read_json(args.file, "annotations")
    surface = load_surface() if args.surface is None else load_surface(args.surface)
    scheme = read_scheme(args.parts, surface)
    model: PlaceModel | None = None
    if args.model is not None:
        model = InferencerPlaces(None if args.model == "shipped" else args.model, args.checkpoint)
    unread: dict[str, None] = {}
    findings = examine(
        data,
        args.file,
        surface=surface,
        scheme=scheme,
        images=args.images,
        other_images=args.other_images,
        model=model,
        kinds=args.kinds,
        note=lambda text: unread.setdefault(one_line(text)),
    )
    people = labelled_people(data, args.file, surface, scheme)
    text = page(
        findings,
        people,
        title=f"Labels of {Path(args.file).name}",
        images=args.images,
        records=data["images"],
        most=args.most,
        note=lambda said: unread.setdefault(one_line(said)),
    )
    write_text(args.out, text)
    if args.json:
        write_json(args.json, [finding.as_dict() for finding in findings], indent=1)
    _print(Counter(finding.kind for finding in findings), len(people))
    for line in unread:
        sys.stderr.write(f"not looked at: {line}\n")
    sys.stdout.write(f"page: {args.out}\n")
    if args.fixed:
        new, changes = mended(data, findings)
        write_json(args.fixed, new)
        write_json(changes_file(args.fixed), changes, indent=1)
        sys.stdout.write(f"{len(changes)} safe changes: {args.fixed}, {changes_file(args.fixed)}\n")
    return 0


def changes_file(fixed: str) -> str:
    """Name of the list of changes beside a mended file."""
    path = Path(fixed)
    return str(path.with_name(f"{path.stem}.changes.json"))


def _print(counts: Counter[str], people: int) -> None:
    table = Table("kind", "findings", "what")
    for kind, text in KINDS.items():
        if counts[kind]:
            table.add_row(kind, str(counts[kind]), text)
    console = Console()
    console.print(table)
    console.print(f"{counts.total()} findings on {people} people", markup=False)
