"""`python -m mmktn evaluate` and `report`: scores of result files, no model needed.

Reads DensePose-COCO or COCO keypoint annotations and the result formats of ``result_files.py``;
prints tables, writes JSON and the HTML report. `report` is `evaluate` with the page as its product.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console

from mmktn.evaluation.cli_output import (
    TABLE_WIDTH,
    Outcome,
    print_outcome,
    progress_bar,
    write_outcome,
)
from mmktn.evaluation.functional.ap.average_precision import Column
from mmktn.evaluation.functional.ap.protocol import DENSEPOSE_PROTOCOLS, KEYPOINT_PROTOCOLS
from mmktn.evaluation.functional.densepose.gps import NORMALISERS
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.pair_scorer import METRICS
from mmktn.evaluation.functional.densepose.pointwise import PointwiseScores, evaluate_pointwise
from mmktn.evaluation.functional.densepose.scores import evaluate_densepose
from mmktn.evaluation.functional.densepose.surface_like import SurfaceLike
from mmktn.evaluation.functional.keypoints.ap import evaluate_keypoints
from mmktn.evaluation.functional.keypoints.data import KeypointDetections, KeypointTruth
from mmktn.evaluation.functional.keypoints.recall import aligned_scores, recall_table
from mmktn.formats.dense_detections import DenseDetections
from mmktn.formats.json_files import RepeatedKeyWarning, read_json
from mmktn.formats.result_files import (
    check_maps,
    read_keypoint_results,
    read_results,
    result_list,
)
from mmktn.surface import load_surface
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output
from mmktn.utils.user_error import UserError, one_line_errors


class KeypointSet(NamedTuple):
    """How a set of keypoints is scored."""

    num_points: int
    protocol: str
    crowd_index: bool = False


# OCHuman is scored as COCO is, on its own keypoints.
KEYPOINT_SETS = {
    "coco": KeypointSet(17, "coco"),
    "crowdpose": KeypointSet(14, "crowdpose", crowd_index=True),
    "ochuman": KeypointSet(17, "coco"),
}
ALL_METRICS = (*METRICS, "auc", "oks", "recall")


def build_parser() -> argparse.ArgumentParser:
    """Return the arguments of `evaluate`."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn evaluate",
        description="Score dense-pose or keypoint results against COCO-style annotations.",
    )
    parser.add_argument(
        "--results", required=True, help="official DensePose .json, .npz, or COCO keypoint .json"
    )
    parser.add_argument(
        "--metric", nargs="+", choices=ALL_METRICS, help="default: gps gpsm iou, or oks"
    )
    parser.add_argument(
        "--keypoints",
        choices=sorted(KEYPOINT_SETS),
        help="score keypoints as this set does: its protocol, and its number of keypoints",
    )
    parser.add_argument(
        "--keypoint-protocol",
        choices=sorted(KEYPOINT_PROTOCOLS),
        help="default: that of --keypoints; else crowdpose where images have crowdIndex, or coco",
    )
    parser.add_argument("--out", help="write the numbers to this JSON file")
    parser.add_argument("--report", help="write an HTML page with pictures (needs matplotlib)")
    _add_common_arguments(parser)
    return parser


def build_report_parser() -> argparse.ArgumentParser:
    """Return the arguments of `report`."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn report",
        description="Explain dense-pose results on one HTML page: curves, per-part errors on the "
        "body, worst and best people.",
    )
    parser.add_argument("results", help="official DensePose .json or .npz")
    parser.add_argument(
        "-o", "--out", dest="report", default="report.html", help="the page (default: report.html)"
    )
    parser.add_argument("--json", dest="out", help="also write the numbers to this JSON file")
    parser.set_defaults(metric=list(METRICS), keypoint_protocol=None, keypoints=None)
    _add_common_arguments(parser)
    return parser


def _add_common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gt", required=True, help="annotations (DensePose-COCO, COCO, CrowdPose)")
    parser.add_argument(
        "--surface",
        default="human",
        help="'human', an .npz, or the folder with the official surface files",
    )
    parser.add_argument(
        "--normaliser", nargs="+", choices=NORMALISERS, default=["per_part"],
        help="per_part: official means (gps/...); global: 0.255 m (gps_kappa0.255/...)",
    )  # fmt: skip
    parser.add_argument("--protocol", choices=sorted(DENSEPOSE_PROTOCOLS), default="official")
    parser.add_argument(
        "--min-threshold", type=float, default=0.5, help="0.2 adds AP20, AP30, AP40"
    )
    parser.add_argument(
        "--min-score", type=float, default=0.0, help="auc: detections below are not painted"
    )
    parser.add_argument("--images", help="folder with the photographs, for the report")
    parser.add_argument(
        "--skip-bad", action="store_true", help="leave unusable results out and say how many"
    )
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


@one_line_errors("evaluate")
def main(argv: Sequence[str] | None = None) -> int:
    """Run `evaluate`.

    Args:
        argv: Arguments; by default those of the process.

    Returns:
        0, or 1 after printing one message about unusable input.
    """
    return _finish(build_parser().parse_args(argv))


@one_line_errors("report")
def report_main(argv: Sequence[str] | None = None) -> int:
    """Run `report`; arguments and status as in `main`."""
    return _finish(build_report_parser().parse_args(argv))


def _finish(args: argparse.Namespace) -> int:
    """Score, print, write; exit status."""
    inputs = [args.gt, args.results]
    inputs += [args.surface] if args.surface != "human" else []
    for path in (args.out, args.report):
        if path:
            claim_output(path, inputs=inputs, overwrite=args.overwrite)
    if args.out and args.report and Path(args.out).resolve() == Path(args.report).resolve():
        raise UserError(f"{args.out} is named for the numbers and for the page; name two files")
    console = Console()
    console.width = max(console.width, TABLE_WIDTH)
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", RepeatedKeyWarning)
        outcome = run(args, console)
    for warning in said:
        if isinstance(warning.message, RepeatedKeyWarning):
            outcome.add_notes([str(warning.message)])
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    seconds = time.perf_counter() - started
    print_outcome(outcome, args, console)
    if args.out:
        write_outcome(outcome, args, seconds)
        console.print(f"wrote {args.out}", markup=False, soft_wrap=True)
    return 0


def run(args: argparse.Namespace, console: Console) -> Outcome:
    """Read the files and compute what was asked for.

    Args:
        args: Parsed arguments.
        console: Where the progress bar goes.

    Returns:
        The numbers.

    Raises:
        ValueError: Input is unusable.
        FileNotFoundError: A file is missing.
    """
    wanted = args.metric or (["oks"] if args.keypoints else default_metrics(args.results))
    if args.keypoints and not set(wanted) <= {"oks", "recall"}:
        raise UserError("--keypoints goes with --metric oks and recall")
    outcome = Outcome()
    dense = [m for m in wanted if m in METRICS]
    if dense or "auc" in wanted or args.report:
        score_dense(args, dense, "auc" in wanted, console, outcome)
    if {"oks", "recall"} & set(wanted):
        score_keypoints(args, wanted, outcome)
    return outcome


def default_metrics(results: str) -> list[str]:
    """Return the metrics that fit a result file.

    Args:
        results: Path of the file.

    Returns:
        ``["oks"]`` for keypoint results, otherwise all dense-pose similarities.
    """
    if Path(results).suffix == ".npz":
        return list(METRICS)
    entries = read_json(results, "results (--results)")
    first = next(iter(result_list(entries, results)), {})
    return ["oks"] if "keypoints" in first and "uv_data" not in first else list(METRICS)


def score_dense(
    args: argparse.Namespace,
    metrics: Sequence[str],
    with_auc: bool,
    console: Console,
    outcome: Outcome,
) -> None:
    """Dense-pose similarities, AUC and the report.

    Args:
        args: Parsed arguments.
        metrics: Similarities to compute.
        with_auc: Whether to evaluate pointwise.
        console: Where the progress bar goes.
        outcome: Filled in.
    """
    truth = DensePoseTruth.from_file(args.gt)
    detections = usable(read_results(args.results), truth, skip=args.skip_bad)
    metrics = list(metrics) or (list(METRICS) if args.report else [])
    needs_surface = with_auc or bool(args.report) or bool({"gps", "gpsm"} & set(metrics))
    surface: SurfaceLike | None = load_surface(args.surface) if needs_surface else None
    if metrics:
        with progress_bar(console, "similarities", quiet=args.quiet) as advance:
            outcome.dense = evaluate_densepose(
                truth,
                detections,
                surface,
                metrics=metrics,
                normalisers=args.normaliser,
                protocol=args.protocol,
                min_threshold=args.min_threshold,
                progress=advance,
            )
        outcome.columns |= outcome.dense.columns
        outcome.add_notes(outcome.dense.notes)
    if surface is not None and (with_auc or args.report):
        with progress_bar(console, "points", quiet=args.quiet) as advance:
            outcome.pointwise = evaluate_pointwise(
                truth, detections, surface, min_score=args.min_score, progress=advance
            )
        outcome.columns |= pointwise_columns(outcome.pointwise)
        outcome.add_notes(outcome.pointwise.notes)
    if args.report and surface is not None:
        from mmktn.evaluation.report import write_report

        images = Path(args.images) if args.images else None
        path = write_report(
            args.report, outcome.dense, outcome.pointwise, truth=truth, detections=detections,
            surface=surface, images=images,
        )  # fmt: skip
        console.print(f"wrote {path}", soft_wrap=True)


def pointwise_columns(scores: PointwiseScores) -> dict[str, Column]:
    """Return the pointwise scores as table columns.

    Args:
        scores: The scores.

    Returns:
        ``"pointwise/AUC10"`` ... to value.
    """
    reason = "no annotated point on a chart"
    return {
        f"pointwise/{name}": Column(value, reason if value < 0 else "")
        for name, value in scores.values().items()
    }


def usable(detections: DenseDetections, truth: DensePoseTruth, *, skip: bool) -> DenseDetections:
    """Leave unusable results out if that was asked for.

    Args:
        detections: Results.
        truth: Ground truth.
        skip: Leave them out; otherwise the evaluation refuses them.

    Returns:
        The results to evaluate.
    """
    if not skip:
        return detections
    bad = detections.problems(truth)
    broken = {k for k, _ in bad}
    bad += [(k, text) for k, text in check_maps(detections) if k not in broken]
    if not bad:
        return detections
    first = "; ".join(text for _, text in bad[:5])
    more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
    return detections.without([k for k, _ in bad], f"unusable (--skip-bad): {first}{more}")


def check_keypoint_set(truth: KeypointTruth, name: str) -> None:
    """Check that an annotation file is one of a set.

    Raises:
        UserError: It has another number of keypoints, or lacks the set's crowdIndex.
    """
    wanted = KEYPOINT_SETS[name]
    if truth.num_points != wanted.num_points:
        fits = [key for key, other in KEYPOINT_SETS.items() if other.num_points == truth.num_points]
        advice = f"; --keypoints {' or '.join(fits)} fits" if fits else ""
        raise UserError(
            f"{truth.name}: persons have {truth.num_points} keypoints, those of {name} have "
            f"{wanted.num_points}{advice}"
        )
    missing = [key for key, index in truth.images.items() if np.isnan(index)]
    if wanted.crowd_index and missing:
        raise UserError(
            f"{truth.name}: image {missing[0]} has no crowdIndex ({len(missing)} such images), "
            "which easy, medium and hard need; take the CrowdPose JSON as released"
        )


def score_keypoints(args: argparse.Namespace, wanted: Sequence[str], outcome: Outcome) -> None:
    """OKS and the recall table.

    Args:
        args: Parsed arguments.
        wanted: Metrics asked for.
        outcome: Filled in.
    """
    truth = KeypointTruth.from_file(args.gt)
    if args.keypoints:
        check_keypoint_set(truth, args.keypoints)
    entries = read_keypoint_results(args.results)
    if "oks" in wanted:
        detections = KeypointDetections.from_entries(entries, name=str(args.results))
        if args.skip_bad:
            bad = {k for k, _ in detections.problems(truth)}
            if bad:
                keep = np.setdiff1d(np.arange(len(detections)), sorted(bad))
                detections = detections.take(keep, f"{len(bad)} unusable results left out")
        crowd = not np.isnan(list(truth.images.values())).all()
        of_set = KEYPOINT_SETS[args.keypoints].protocol if args.keypoints else None
        name = args.keypoint_protocol or of_set or ("crowdpose" if crowd else "coco")
        scores = evaluate_keypoints(
            truth, detections, protocol=name, min_threshold=args.min_threshold
        )
        outcome.columns |= scores.columns
        outcome.add_notes([f"keypoint protocol '{name}'", *scores.notes])
    if "recall" in wanted:
        values = aligned_scores(entries, truth.ids, truth.num_points, name=str(args.results))
        index = np.array([truth.images[int(k)] for k in truth.image_ids])
        table = recall_table(values, truth.keypoints[..., 2] > 0, crowd_index=index)
        reason = "no labelled keypoint in this split"
        outcome.columns |= {
            f"keypoints/{key}": Column(value, reason if value < 0 else "")
            for key, value in table.items()
        }


if __name__ == "__main__":
    sys.exit(main())
