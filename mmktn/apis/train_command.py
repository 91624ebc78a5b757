"""Train a model from a config, as in the other OpenMMLab repositories.

Usage: python -m mmktn train CONFIG [--work-dir DIR] [--resume [CKPT]] [--amp] [--cfg-options k=v]
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import mmktn  # noqa: F401  # repairs the host packages before they are imported
from mmktn.utils.config_errors import config_errors
from mmktn.utils.config_path import require_parts
from mmktn.utils.run_arguments import add_run_arguments, read_run_config
from mmktn.utils.user_error import UserError, one_line_errors

if TYPE_CHECKING:
    from mmengine.config import Config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train a dense-pose or pose model")
    add_run_arguments(parser)
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        help="resume from this checkpoint; without a value, from the latest one in the work dir",
    )
    parser.add_argument(
        "--amp",
        nargs="?",
        const="auto",
        choices=["auto", "float16", "bfloat16"],
        help="mixed precision; auto is float16 on CUDA and bfloat16 on the CPU",
    )
    parser.add_argument("--no-validate", action="store_true", help="skip validation while training")
    parser.add_argument(
        "--auto-scale-lr", action="store_true", help="scale the learning rate by the batch size"
    )
    parser.add_argument("--seed", type=int, help="random seed (default: the config's)")
    return parser.parse_args(argv)


def enable_amp(cfg: Config, dtype: str) -> None:
    """Switch the optimiser wrapper to mixed precision, keeping its other settings."""
    wrapper = cfg.optim_wrapper.get("type", "OptimWrapper")
    if wrapper not in ("OptimWrapper", "AmpOptimWrapper"):
        raise UserError(f"--amp works with OptimWrapper only, the config asks for {wrapper}")
    import torch

    if not torch.cuda.is_available():
        cfg.optim_wrapper.type = "mmktn.CpuAmpOptimWrapper"
        cfg.optim_wrapper.dtype = "bfloat16" if dtype == "auto" else dtype
        return
    cfg.optim_wrapper.type = "AmpOptimWrapper"
    cfg.optim_wrapper.dtype = "float16" if dtype == "auto" else dtype
    if cfg.optim_wrapper.dtype == "float16":
        cfg.optim_wrapper.setdefault("loss_scale", "dynamic")


def merge_args(cfg: Config, args: argparse.Namespace) -> Config:
    """Put the command line on top of the config; the command line wins."""
    require_parts(cfg, "model", "train_dataloader", "train_cfg", "optim_wrapper")
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp is not None:
        enable_amp(cfg, args.amp)
    if args.auto_scale_lr:
        if "base_batch_size" not in cfg.get("auto_scale_lr", {}):
            raise UserError(
                f"{args.config}: --auto-scale-lr needs auto_scale_lr=dict(base_batch_size=N)"
            )
        cfg.auto_scale_lr.enable = True
    if args.seed is not None:
        cfg.randomness = dict(cfg.get("randomness", {}), seed=args.seed)
    if args.resume is not None:
        cfg.resume, cfg.load_from = True, None if args.resume == "auto" else args.resume
    return cfg


def check_start(cfg: Config) -> None:
    """Refuse, before anything is built, to start from a file that is missing or broken.

    Raises:
        UserError: The checkpoint to resume from holds no iteration.
        OSError, ValueError: As `read_checkpoint`.
    """
    from mmengine.runner import find_latest_checkpoint

    from mmktn.apis.model_loading import read_checkpoint

    start = cfg.get("load_from")
    if start is None and cfg.get("resume"):
        start = find_latest_checkpoint(cfg.work_dir)
    if start is None:
        return
    content = read_checkpoint(start)
    meta = content.get("meta")
    if cfg.get("resume") and not (isinstance(meta, dict) and {"epoch", "iter"} <= set(meta)):
        raise UserError(
            f"{start}: no checkpoint of a training run (meta has no epoch and iter); "
            "load_from starts from its weights, --resume cannot"
        )


@one_line_errors("train")
def main(argv: list[str] | None = None) -> None:
    """Train, as the command line says."""
    args = parse_args(argv)
    cfg = merge_args(read_run_config(args), args)
    check_start(cfg)
    from mmengine.runner import Runner

    with config_errors(cfg):
        Runner.from_cfg(cfg).train()
