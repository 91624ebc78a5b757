"""How many planted faults `doctor-labels` finds: precision and recall of every kind.

    python projects/label_doctor/planted_faults.py --images 60 --out work_dirs/planted

Renders people, lets the simulated annotator place their points, plants faults of every kind, and
counts. Writes clean.json, planted.json (the set with the faults) and scores.json.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from planted import Score, labelled_set, plant, score
from rich.console import Console
from rich.table import Table

from mmktn.annotation.body_parts import scheme_for
from mmktn.annotator.body import Body
from mmktn.formats.picture_writing import write_image
from mmktn.label_doctor.examination import examine
from mmktn.surface import load_surface
from mmktn.utils.output_files import OVERWRITE_HELP, claim_outputs, write_json
from mmktn.utils.user_error import one_line_errors


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--surface", default=None)
    parser.add_argument("--point-share", type=float, default=0.05)
    parser.add_argument("--person-share", type=float, default=0.3)
    parser.add_argument("--view-size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def report(scores: Sequence[Score], clean: Sequence[Score]) -> Table:
    """The table: what was planted and found, and what is said of labels without faults."""
    table = Table("kind", "planted", "recall %", "named %", "findings", "precision %", "clean set")
    alarms = {entry.kind: entry.findings for entry in clean}
    for entry in scores:
        named = entry.named / entry.planted if entry.planted else float("nan")
        shares = [f"{100 * n:.0f}" for n in (entry.recall, named, entry.precision)]
        counts = (entry.planted, entry.findings, alarms.get(entry.kind, 0))
        table.add_row(
            entry.kind, str(counts[0]), *shares[:2], str(counts[1]), shares[2], str(counts[2])
        )
    return table


@one_line_errors("planted_faults")
def main(argv: Sequence[str] | None = None) -> int:
    """Render, plant, count; returns the exit status."""
    args = parse_args(argv)
    names = ("clean.json", "planted.json", "scores.json")
    claim_outputs([args.out / name for name in names], overwrite=args.overwrite)
    surface = load_surface() if args.surface is None else load_surface(args.surface)
    scheme = scheme_for(surface)
    pictures = args.out / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)

    def keep(name: str, picture: np.ndarray) -> None:
        write_image(pictures / name, picture)

    views = Body(surface, scheme, view_size=args.view_size).views
    data = labelled_set(
        args.images, surface, views, surface_name=args.surface, seed=args.seed, keep=keep
    )
    shares = {"point_share": args.point_share, "person_share": args.person_share}
    faulty, planted = plant(data, surface, scheme, seed=args.seed, **shares)
    look = partial(examine, surface=surface, scheme=scheme)
    scores = score(planted, look(faulty, "planted.json"))
    clean = score([], look(data, "clean.json"))
    write_json(args.out / "clean.json", data)
    write_json(args.out / "planted.json", faulty)
    write_json(
        args.out / "scores.json",
        {"planted": [vars(s) for s in scores], "clean": [vars(s) for s in clean]},
        indent=1,
    )
    points = sum(len(a.get("dp_x", ())) for a in data["annotations"])
    console = Console(width=110)
    console.print(report(scores, clean))
    console.print(f"{len(data['annotations'])} people, {points} points, seed {args.seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
