"""Train a model from a config, as in the other OpenMMLab repositories.

Usage: python tools/train.py CONFIG [--work-dir DIR] [--resume [CKPT]] [--amp] [--cfg-options k=v]
"""

import argparse
import os
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

import mmktn  # noqa: F401  # repairs the host packages before they are imported
from mmktn.utils.config_path import read_config


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a dense-pose or pose model")
    parser.add_argument(
        "config", help="config file, or mmktn::folder/name.py from the package or its sources"
    )
    parser.add_argument("--work-dir", help="where logs and checkpoints go")
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
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, help="override config keys: key=value ..."
    )
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    # torch.distributed.launch passes --local-rank, older versions --local_rank.
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    return args


def enable_amp(cfg: Config, dtype: str) -> None:
    """Switch the optimiser wrapper to mixed precision, keeping its other settings."""
    wrapper = cfg.optim_wrapper.get("type", "OptimWrapper")
    if wrapper not in ("OptimWrapper", "AmpOptimWrapper"):
        raise SystemExit(f"--amp works with OptimWrapper only, the config asks for {wrapper}")
    if not torch.cuda.is_available():
        cfg.optim_wrapper.type = "mmktn.CpuAmpOptimWrapper"
        cfg.optim_wrapper.dtype = "bfloat16" if dtype == "auto" else dtype
        return
    cfg.optim_wrapper.type = "AmpOptimWrapper"
    cfg.optim_wrapper.dtype = "float16" if dtype == "auto" else dtype
    if cfg.optim_wrapper.dtype == "float16":
        cfg.optim_wrapper.setdefault("loss_scale", "dynamic")


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
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp is not None:
        enable_amp(cfg, args.amp)
    if args.auto_scale_lr:
        if "auto_scale_lr" not in cfg or "base_batch_size" not in cfg.auto_scale_lr:
            raise SystemExit(
                f"{args.config}: --auto-scale-lr needs auto_scale_lr=dict(base_batch_size=N)"
            )
        cfg.auto_scale_lr.enable = True
    if args.seed is not None:
        cfg.randomness = dict(cfg.get("randomness", {}), seed=args.seed)
    if args.resume == "auto":
        cfg.resume, cfg.load_from = True, None
    elif args.resume is not None:
        if not Path(args.resume).is_file():
            raise SystemExit(f"--resume: no checkpoint at {args.resume}")
        cfg.resume, cfg.load_from = True, args.resume
    return cfg


def main() -> None:
    args = parse_args()
    cfg = merge_args(load_config(args.config), args)
    Runner.from_cfg(cfg).train()


if __name__ == "__main__":
    main()
