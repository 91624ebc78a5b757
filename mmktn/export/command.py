"""`python -m mmktn export`: a system as files for onnxruntime, OpenVINO or TorchScript."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mmktn.runtime.manifest import FILE_FORMATS, PRECISIONS
from mmktn.utils.output_files import OVERWRITE_HELP
from mmktn.utils.run_arguments import add_config_options
from mmktn.utils.user_error import one_line_errors


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn export",
        description="Write a system for engines without torch, and compare it with torch; what "
        "disagrees is not kept.",
    )
    parser.add_argument("model", metavar="NAME_OR_CONFIG", help="published model, or a config")
    parser.add_argument("checkpoint", nargs="?", help="weights, for a config")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the files go")
    parser.add_argument("--format", default="onnx", choices=FILE_FORMATS, dest="kind")
    parser.add_argument(
        "--precision",
        default="float",
        choices=PRECISIONS,
        help="half: 16-bit weights; int8: convolutions quantised, calibrated on rendered pictures",
    )
    parser.add_argument(
        "--least-agreement",
        type=float,
        metavar="SHARE",
        help="share of the people's pixels whose chart must stay, 0 to 1 (default: float 0.999, "
        "half 0.99, int8 0.95)",
    )
    parser.add_argument(
        "--random-weights",
        action="store_true",
        help="export a config without weights, which is of use for timing only",
    )
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    add_config_options(parser)
    return parser.parse_args(argv)


@one_line_errors("export")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    args = parse_args(argv)
    from pathlib import Path

    from mmktn.apis.model_loading import load_config, load_model
    from mmktn.apis.pose_estimator import PoseEstimator
    from mmktn.apis.test_pipeline import type_name
    from mmktn.export.exporting import export_system
    from mmktn.utils.user_error import UserError
    from mmktn.zoo.named_weights import resolve_names

    config, checkpoint = resolve_names(args.model, args.checkpoint)
    if checkpoint is None and not args.random_weights:
        raise UserError(
            f"{args.model} is a config: give its weights behind it, or --random-weights for timing"
        )
    cfg = load_config(config)
    estimator = None
    if type_name(cfg.model) == "TopdownPoseEstimator":
        estimator = PoseEstimator(cfg, checkpoint, device="cpu", cfg_options=args.cfg_options)
        model = estimator.model
    else:
        model = load_model(cfg, checkpoint, device="cpu", cfg_options=args.cfg_options)
    report = export_system(
        model,
        args.out,
        kind=args.kind,
        precision=args.precision,
        name=args.model if Path(args.model).name == args.model else Path(args.model).stem,
        estimator=estimator,
        trained=checkpoint is not None,
        overwrite=args.overwrite,
        least_agreement=args.least_agreement,
        say=_say,
    )
    for line in report.lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"-> {report.folder}\n")
    return 0


def _say(text: str) -> None:
    """A line about what begins; exports take minutes."""
    sys.stderr.write(f"{text} ...\n")
