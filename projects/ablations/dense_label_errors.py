"""Errors of dense labels against other labels of the same persons, such as the synthetic truth.

    python projects/ablations/dense_label_errors.py TEACHER_LABELS TRUTH_LABELS [--json FILE]

Both are folders of tools/dataset_converters/write_dense_labels.py. An error is the geodesic
distance between the two answers for a cell of the person's box.
"""

import argparse
import sys
from typing import Any

import numpy as np
from rich.progress import track

from mmktn.evaluation.functional.densepose.point_errors import (
    PointDistances,
    area_under_curve,
    part_errors,
)
from mmktn.evaluation.functional.densepose.pointwise import dense_distances
from mmktn.formats.dense_labels import DenseLabelFolder
from mmktn.surface import load_surface
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, write_json
from mmktn.utils.user_error import one_line_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", help="folder of the labels that are measured")
    parser.add_argument("truth", help="folder of the labels that are taken for true")
    parser.add_argument("--surface", default="human")
    parser.add_argument("--stride", type=int, default=4, help="take every n-th row and column")
    parser.add_argument("--max-persons", type=int, default=0, help="0 for all")
    parser.add_argument("--json", help="also write the figures here")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def measure(
    labels: DenseLabelFolder,
    truth: DenseLabelFolder,
    *,
    surface: Any,
    stride: int = 4,
    max_persons: int = 0,
) -> dict[str, Any]:
    """Compare the persons that both folders have.

    Args:
        labels: Measured.
        truth: True.
        surface: `BodySurface`.
        stride: Step between the rows and columns of cells that are taken.
        max_persons: 0 for all.

    Returns:
        persons, cells; shares: labelled (of the true cells), chart_right (of the labelled true
        cells), extra (labelled cells that are background in truth, of the true cells); of the
        labelled cells mean and median error in metres; over all true cells AUC10 and AUC30; groups:
        the same by group of charts.

    Raises:
        ValueError: The folders have no person in common.
    """
    shared = [record["id"] for record in truth.records if record["id"] in labels]
    shared = shared[:max_persons] if max_persons else shared
    if not shared:
        raise ValueError(f"{labels.folder} and {truth.folder} have no person in common")
    parts, right, extra = [], [], 0
    for number in track(shared, "comparing", disable=not sys.stderr.isatty()):
        found, true = labels.read(number), truth.read(number)
        uv = true[1:3] / 255  # as evaluation reads the bytes of the other side
        parts.append(
            dense_distances(found[:3], true[0], uv, surface=surface, image_id=number, stride=stride)
        )
        a, b = found[0, ::stride, ::stride], true[0, ::stride, ::stride]
        right.append((a == b)[(a > 0) & (b > 0)])
        extra += int(((a > 0) & (b == 0)).sum())
    points = PointDistances.merge(parts)
    hit = points.distances_m[np.isfinite(points.distances_m)]
    return {
        "persons": len(shared),
        "cells": len(points.distances_m),
        "labelled": len(hit) / max(len(points.distances_m), 1),
        "extra": extra / max(len(points.distances_m), 1),
        "chart_right": float(np.concatenate(right).mean()) if len(hit) else float("nan"),
        "mean_m": float(hit.mean()) if len(hit) else float("nan"),
        "median_m": float(np.median(hit)) if len(hit) else float("nan"),
        "AUC10": area_under_curve(points.distances_m, 0.10),
        "AUC30": area_under_curve(points.distances_m, 0.30),
        "groups": part_errors(points, by="group"),
    }


def report(figures: dict[str, Any]) -> str:
    """Figures as text."""
    lines = [
        f"{figures['persons']} persons, {figures['cells']} true cells",
        f"labelled      {figures['labelled']:.4f} of them ({figures['extra']:.4f} more outside)",
        f"chart right   {figures['chart_right']:.4f} of the labelled ones",
        f"error         mean {100 * figures['mean_m']:.2f} cm, median "
        f"{100 * figures['median_m']:.2f} cm",
        f"AUC10, AUC30  {figures['AUC10']:.4f}, {figures['AUC30']:.4f}",
        "",
        f"{'group':<12} {'cells':>8} {'missed':>7} {'mean cm':>8} {'median':>7} {'AUC10':>6}",
    ]
    for name, row in figures["groups"].items():
        lines.append(
            f"{name:<12} {row['points']:>8} {row['missed']:>7.3f} {100 * row['mean_m']:>8.2f} "
            f"{100 * row['median_m']:>7.2f} {row['AUC10']:>6.3f}"
        )
    return "\n".join(lines)


@one_line_errors("dense_label_errors")
def main(argv: list[str] | None = None) -> None:
    """Compare."""
    args = parse_args(argv)
    if args.json:
        claim_output(args.json, overwrite=args.overwrite)
    figures = measure(
        DenseLabelFolder(args.labels),
        DenseLabelFolder(args.truth),
        surface=load_surface(args.surface),
        stride=args.stride,
        max_persons=args.max_persons,
    )
    print(report(figures))
    if args.json:
        write_json(args.json, figures, indent=1)


if __name__ == "__main__":
    sys.exit(main())
