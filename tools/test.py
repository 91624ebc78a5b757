"""Test a checkpoint: metrics of the config, optionally dumped predictions and drawn pictures.

Usage: python tools/test.py CONFIG CHECKPOINT [--work-dir DIR] [--show-dir DIR] [--out FILE] [--tta]
           [--all-metrics]
"""

import argparse
import os
from pathlib import Path

from mmengine.config import Config, ConfigDict, DictAction
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from torch import nn

import mmktn  # noqa: F401  # repairs the host packages before they are imported
from mmktn.apis.model_loading import fit_weights, read_checkpoint
from mmktn.utils.config_path import read_config


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Test a dense-pose or pose model")
    parser.add_argument(
        "config", help="config file, or mmktn::folder/name.py from the package or its sources"
    )
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--work-dir", help="where logs and metrics go")
    parser.add_argument("--out", "--dump", dest="out", help="write all predictions to this .pkl")
    parser.add_argument("--show-dir", help="write drawn predictions below the work dir, in here")
    parser.add_argument("--show", action="store_true", help="show drawn predictions in a window")
    parser.add_argument("--interval", type=int, default=1, help="draw every n-th image")
    parser.add_argument("--wait-time", type=float, default=2, help="seconds a window stays")
    parser.add_argument(
        "--all-metrics",
        action="store_true",
        help="also box AP, AP of the body's outline and pointwise AUC of a dense-pose config",
    )
    parser.add_argument("--tta", action="store_true", help="test-time augmentation of the config")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, help="override config keys: key=value ..."
    )
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    # torch.distributed.launch passes --local-rank, older versions --local_rank.
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    return args


def enable_drawing(cfg: Config, args: argparse.Namespace) -> None:
    hooks = cfg.get("default_hooks", {})
    if "visualization" not in hooks:
        raise SystemExit(f"{args.config}: --show and --show-dir need default_hooks.visualization")
    hook = hooks["visualization"]
    # mmdet's hook draws with draw=True, mmpose's with enable=True.
    hook["enable" if "Pose" in hook["type"] else "draw"] = True
    hook["interval"] = args.interval
    if args.show:
        hook["show"], hook["wait_time"] = True, args.wait_time
    if args.show_dir:
        key = "out_dir" if "Pose" in hook["type"] else "test_out_dir"
        hook[key] = args.show_dir


def load_config(config: str) -> Config:
    """Read the config; a wrong name ends the tool with one line."""
    try:
        return read_config(config)
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(str(error)) from error


def merge_args(cfg: Config, args: argparse.Namespace) -> Config:
    """Put the command line on top of the config; the command line wins."""
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(Path("work_dirs") / Path(args.config.replace("::", "/")).stem)
    if not Path(args.checkpoint).is_file() and "://" not in args.checkpoint:
        raise SystemExit(f"no checkpoint at {args.checkpoint}")
    cfg.load_from = args.checkpoint
    if args.all_metrics:
        add_metrics(cfg)
    if args.show or args.show_dir:
        enable_drawing(cfg, args)
    if args.tta:
        if "tta_model" not in cfg or "tta_pipeline" not in cfg:
            raise SystemExit(f"{args.config}: --tta needs tta_model and tta_pipeline in the config")
        cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        leave_out_masks(cfg)
    return cfg


def add_metrics(cfg: Config) -> None:
    """Add box AP, AP of the body's outline and pointwise areas to a dense-pose config's metrics."""
    old = cfg.test_evaluator
    evaluators = list(old) if isinstance(old, (list, tuple)) else [old]
    charts = next((e for e in evaluators if e["type"].endswith("DensePoseMetric")), None)
    if charts is None:
        raise SystemExit("--all-metrics: the config's test_evaluator has no DensePoseMetric")
    files = {"ann_file": charts["ann_file"]}
    wanted = [{"type": "mmktn.PointwiseDensePoseMetric", "surface": charts["surface"], **files}]
    if "Topdown" in charts["type"]:
        wanted[0]["type"] = "mmktn.TopdownPointwiseMetric"
    else:
        wanted.append({"type": "mmktn.BodyMaskMetric", "field": "densepose", **files})
        wanted.append({"type": "mmdet.CocoMetric", "metric": ["bbox"], **files})
    present = {evaluator["type"] for evaluator in evaluators}
    cfg.test_evaluator = evaluators + [w for w in wanted if w["type"] not in present]


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
    while isinstance(model, BaseTTAModel) or is_model_wrapper(model):
        model = model.module
    try:
        fit_weights(model, read_checkpoint(checkpoint)["state_dict"], source=checkpoint)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(str(error)) from error


def main() -> None:
    args = parse_args()
    cfg = merge_args(load_config(args.config), args)
    runner = Runner.from_cfg(cfg)
    check_checkpoint(runner.model, args.checkpoint)
    if args.out is not None:
        if not args.out.endswith((".pkl", ".pickle")):
            raise SystemExit(f"--out writes a pickle, so {args.out} should end in .pkl")
        from mmengine.evaluator import DumpResults

        runner.test_evaluator.metrics.append(DumpResults(out_file_path=args.out))
    runner.test()


if __name__ == "__main__":
    main()
