"""Test a checkpoint: metrics of the config, optionally dumped predictions and drawn pictures.

Usage: python -m mmktn test CONFIG CHECKPOINT [--work-dir DIR] [--show-dir DIR] [--out FILE] [--tta]
           [--tta-angles -15 15] [--all-metrics] [--compile]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, cast

import mmktn  # noqa: F401  # repairs the host packages before they are imported
from mmktn.utils.config_errors import config_errors
from mmktn.utils.config_path import require_parts
from mmktn.utils.output_files import OVERWRITE_HELP, claim_folder, claim_output
from mmktn.utils.run_arguments import add_run_arguments, read_run_config
from mmktn.utils.user_error import UserError, one_line_errors
from mmktn.zoo.named_weights import named_checkpoint

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Test a dense-pose or pose model")
    add_run_arguments(parser)
    parser.add_argument("checkpoint", help="checkpoint file, or name of a published model")
    parser.add_argument("--out", "--dump", dest="out", help="write all predictions to this .pkl")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    parser.add_argument("--show-dir", help="write drawn predictions below the work dir, in here")
    parser.add_argument("--show", action="store_true", help="show drawn predictions in a window")
    parser.add_argument("--interval", type=int, default=1, help="draw every n-th image")
    parser.add_argument("--wait-time", type=float, default=2, help="seconds a window stays")
    parser.add_argument(
        "--all-metrics",
        action="store_true",
        help="also box AP, AP of the body's outline and pointwise AUC of a dense-pose config",
    )
    parser.add_argument(
        "--compile",
        nargs="?",
        const="inductor",
        metavar="BACKEND",
        help="compile the parts of fixed shapes, as mmktn.CompileHook; on CUDA into graphs",
    )
    parser.add_argument("--tta", action="store_true", help="test-time augmentation of the config")
    parser.add_argument(
        "--tta-angles",
        type=float,
        nargs="+",
        default=[],
        metavar="DEGREES",
        help="with --tta: also every view turned by these angles",
    )
    return parser.parse_args(argv)


def enable_drawing(cfg: Config, args: argparse.Namespace) -> None:
    """Let the config's visualization hook draw, where the command line asks for pictures."""
    hooks = cfg.get("default_hooks", {})
    if "visualization" not in hooks:
        raise UserError(f"{args.config}: --show and --show-dir need default_hooks.visualization")
    hook = hooks["visualization"]
    # mmdet's hook draws with draw=True, mmpose's with enable=True.
    hook["enable" if "Pose" in hook["type"] else "draw"] = True
    hook["interval"] = args.interval
    if args.show:
        hook["show"], hook["wait_time"] = True, args.wait_time
    if args.show_dir:
        key = "out_dir" if "Pose" in hook["type"] else "test_out_dir"
        hook[key] = args.show_dir


def merge_args(cfg: Config, args: argparse.Namespace) -> Config:
    """Put the command line on top of the config; the command line wins."""
    require_parts(cfg, "model", "test_dataloader", "test_cfg", "test_evaluator")
    args.checkpoint = str(named_checkpoint(args.checkpoint))
    if not Path(args.checkpoint).is_file() and "://" not in args.checkpoint:
        raise UserError(f"no checkpoint at {args.checkpoint}")
    cfg.load_from, cfg.resume = args.checkpoint, False
    if args.show_dir:
        claim_folder(args.show_dir)
    if args.all_metrics:
        add_metrics(cfg)
    if args.show or args.show_dir:
        enable_drawing(cfg, args)
    if args.compile:
        hooks = list(cfg.get("custom_hooks") or [])
        cfg.custom_hooks = [*hooks, {"type": "mmktn.CompileHook", "backend": args.compile}]
    if args.tta_angles and not args.tta:
        raise UserError("--tta-angles turns the views of --tta; add it")
    if args.tta:
        if "tta_model" not in cfg or "tta_pipeline" not in cfg:
            raise UserError(f"{args.config}: --tta needs tta_model and tta_pipeline in the config")
        from mmengine.config import ConfigDict

        cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
        add_turned_views(cfg, args.tta_angles)
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        leave_out_masks(cfg)
    return cfg


def add_metrics(cfg: Config) -> None:
    """Add box AP, AP of the body's outline and pointwise areas to a dense-pose config's metrics."""
    old = cfg.test_evaluator
    evaluators = list(old) if isinstance(old, (list, tuple)) else [old]
    charts = next((e for e in evaluators if e["type"].endswith("DensePoseMetric")), None)
    if charts is None:
        raise UserError("--all-metrics: the config's test_evaluator has no DensePoseMetric")
    files = {"ann_file": charts["ann_file"]}
    wanted = [{"type": "mmktn.PointwiseDensePoseMetric", "surface": charts["surface"], **files}]
    if "Topdown" in charts["type"]:
        wanted[0]["type"] = "mmktn.TopdownPointwiseMetric"
    else:
        wanted.append({"type": "mmktn.BodyMaskMetric", "field": "densepose", **files})
        wanted.append({"type": "mmdet.CocoMetric", "metric": ["bbox"], **files})
    present = {evaluator["type"] for evaluator in evaluators}
    cfg.test_evaluator = evaluators + [w for w in wanted if w["type"] not in present]


def add_turned_views(cfg: Config, angles: list[float]) -> None:
    """Add views of `tta_pipeline` that are turned, before the step that packs them."""
    if not angles:
        return
    (augmented,) = (step for step in cfg.tta_pipeline if step["type"].endswith("TestTimeAug"))
    if not cfg.model.type.endswith("DensePoseTTA"):
        raise UserError(
            f"--tta-angles: {cfg.model.type} turns nothing back; mmktn.DensePoseTTA does"
        )
    steps = [{"type": "mmktn.TurnView", "angle": angle} for angle in dict.fromkeys([0, *angles])]
    augmented["transforms"] = [*augmented.transforms[:-1], steps, augmented.transforms[-1]]


def leave_out_masks(cfg: Config) -> None:
    """Take mask AP out of the evaluators: test-time augmentation makes no instance masks."""
    evaluators = cfg.test_evaluator
    for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
        wanted = evaluator.get("metric") or []
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        if evaluator["type"].endswith("CocoMetric") and "segm" in names:
            evaluator["metric"] = [name for name in names if name != "segm"] or ["bbox"]
            print("--tta makes no instance masks: 'segm' is left out of the evaluation")


def check_checkpoint(model: nn.Module, checkpoint: str) -> None:
    """End the tool with one line if a file does not hold the model's weights.

    The runner reads them once more, but only logs what is missing and then scores random weights.
    """
    from mmengine.model import BaseTTAModel, is_model_wrapper

    from mmktn.apis.model_loading import fit_weights, read_checkpoint

    while isinstance(model, BaseTTAModel) or is_model_wrapper(model):
        model = cast("nn.Module", model.module)
    fit_weights(model, read_checkpoint(checkpoint)["state_dict"], source=checkpoint)


def claim_results(cfg: Config, args: argparse.Namespace) -> None:
    """Check that the file for the predictions may be written.

    Raises:
        UserError: Not a pickle's name, or `claim_output` refuses it.
    """
    if not args.out.endswith((".pkl", ".pickle")):
        raise UserError(f"--out writes a pickle, so {args.out} should end in .pkl")
    evaluators = cfg.test_evaluator
    evaluators = evaluators if isinstance(evaluators, list) else [evaluators]
    truths = [evaluator.get("ann_file") for evaluator in evaluators]
    inputs = [args.config, args.checkpoint, *(truth for truth in truths if truth)]
    claim_output(args.out, inputs=inputs, overwrite=args.overwrite)


@one_line_errors("test")
def main(argv: list[str] | None = None) -> None:
    """Test, as the command line says."""
    args = parse_args(argv)
    cfg = merge_args(read_run_config(args), args)
    if args.out is not None:
        claim_results(cfg, args)
    from mmengine.runner import Runner

    with config_errors(cfg):
        runner = Runner.from_cfg(cfg)
        check_checkpoint(runner.model, args.checkpoint)
        if args.out is not None:
            from mmktn.evaluation.metrics.whole_results import WholeResults

            runner.test_evaluator.metrics.append(WholeResults(out_file_path=args.out))
        runner.test()
