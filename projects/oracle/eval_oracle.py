"""Oracle table: scores of a result file with parts of the output replaced by ground truth.

    python projects/oracle/eval_oracle.py --gt ANN.json --results RES.json --out oracle.json

At an annotated point inside a detection's box, and only there:

* mask: the point is on the person. Its chart is the best of 1..24 even where the prediction says
  background; for GPSm and IoU the detection gets the person's mask inside its own box.
* surface: the chart is the true one; U and V are read from that chart's channel.
* v, u: V or U is the true one, also where the chart is wrong.

Boxes, scores and matching stay, and points outside a box stay missed, so all four together show
what boxes, scores and missed persons cost. With ``--raw`` (an .npz with fine_segm_k, coarse_segm_k,
u_k, v_k on the head's grid for entry k of the results) the definitions hold as written. Decoded
results have forgotten the other channels: there "mask" takes chart, U, V of the nearest person
pixel and "surface" keeps the U, V that stand at the pixel.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from oracle import (
    ALL_SUBSTITUTIONS,
    PUBLISHED_SUBSTITUTIONS,
    RawHeads,
    Substitution,
    evaluate_oracle,
)
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmktn.evaluation.cli_output import progress_bar
from mmktn.evaluation.functional.ap.protocol import DENSEPOSE_PROTOCOLS
from mmktn.evaluation.functional.densepose.gps import NORMALISERS
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.pair_scorer import METRICS
from mmktn.evaluation.functional.densepose.scores import DensePoseScores
from mmktn.formats.result_files import read_results
from mmktn.surface import load_surface
from mmktn.utils.array_files import check_arrays
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, write_json
from mmktn.utils.user_error import one_line_errors

ROWS = {"published": PUBLISHED_SUBSTITUTIONS, "all": ALL_SUBSTITUTIONS}
COLUMNS = ("AP", "AP50", "AP75", "APm", "APl", "AR")


class RawFile:
    """Raw head outputs of all detections in one .npz.

    Args:
        path: The file.
        count: Number of detections that it must cover.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A detection is missing.
    """

    def __init__(self, path: str | Path, count: int) -> None:
        names = [f"{f}_{k}" for k in range(count) for f in ("fine_segm", "coarse_segm", "u", "v")]
        check_arrays(path, names, what="--raw")
        self.data = np.load(path, allow_pickle=False)

    def __call__(self, index: int) -> RawHeads:
        """Raw outputs of one detection."""
        return RawHeads(
            *(self.data[f"{f}_{index}"] for f in ("fine_segm", "coarse_segm", "u", "v"))
        )


def build_parser() -> argparse.ArgumentParser:
    """Arguments of the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gt", required=True, help="DensePose-COCO annotations")
    parser.add_argument("--results", required=True, help="official .json or .npz")
    parser.add_argument("--raw", help=".npz with raw head outputs of every detection")
    parser.add_argument("--surface", default="human")
    parser.add_argument("--protocol", choices=sorted(DENSEPOSE_PROTOCOLS), default="official")
    parser.add_argument("--metric", nargs="+", choices=METRICS, default=["gps"])
    parser.add_argument("--normaliser", nargs="+", choices=NORMALISERS, default=["per_part"])
    parser.add_argument("--rows", choices=sorted(ROWS), default="all")
    parser.add_argument("--out", help="write the table to this JSON file")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def row_of(substitution: Substitution, scores: DensePoseScores) -> dict[str, Any]:
    """One row of the table."""
    ticks = {name: getattr(substitution, name) for name in ("mask", "surface", "v", "u")}
    return {**ticks, "name": substitution.name, "values": scores.values()}


def print_table(rows: list[dict[str, Any]], names: list[str], console: Console) -> None:
    """Print the table of each similarity, percent."""
    for name in names:
        table = Table(title=Text(name), title_justify="left")
        for head in ("mask", "surface", "v", "u", *COLUMNS):
            table.add_column(head, justify="right")
        for row in rows:
            values = [row["values"].get(f"{name}/{column}", -1) for column in COLUMNS]
            table.add_row(
                *("x" if row[tick] else "" for tick in ("mask", "surface", "v", "u")),
                *(f"{100 * v:.2f}" if v >= 0 else "-" for v in values),
            )
        console.print(table)


@one_line_errors("eval_oracle")
def main(argv: list[str] | None = None) -> int:
    """Run the tool; 1 after printing one message about unusable input."""
    args = build_parser().parse_args(argv)
    if args.out:
        inputs = [path for path in (args.gt, args.results, args.raw, args.surface) if path]
        claim_output(args.out, inputs=inputs, overwrite=args.overwrite)
    console = Console()
    truth = DensePoseTruth.from_file(args.gt)
    detections = read_results(args.results)
    raw = RawFile(args.raw, len(detections)) if args.raw else None
    surface = load_surface(args.surface)
    substitutions = ROWS[args.rows]
    with progress_bar(console, "substitutions", quiet=args.quiet) as advance:
        table = evaluate_oracle(
            truth, detections, surface, substitutions=substitutions, raw=raw,
            metrics=args.metric, normalisers=args.normaliser, protocol=args.protocol,
            progress=advance,
        )  # fmt: skip
    rows = [row_of(s, table[s.name]) for s in substitutions]
    names = next(iter(table.values())).names
    print_table(rows, names, console)
    if args.out:
        content = {
            "gt": args.gt, "results": args.results, "raw": args.raw, "surface": args.surface,
            "protocol": args.protocol, "rows": rows,
        }  # fmt: skip
        write_json(args.out, content, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
