"""Train baseline, SaT, IaP and both on the synthetic crowd; print mean and spread over seeds.

Usage: python projects/ablations/stip_ablation.py [--seeds 0 1 2] [--epochs N] [--out FILE.json]

Every arm has the same backbone, data, augmentation, batch size, learning rate, schedule and seeds.
As in the paper the arms differ in more than the named part: the baseline predicts maps at a quarter
of the input with quarter-pixel decoding, the others at half with the refined decoding. So the
baseline is also tested with the refined decoding ('baseline-refined'). Runs are done one after the
other on --threads threads and are appended to --out as they finish; a run that is already there is
not repeated.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from ablation_report import draw_arms, spread, stored_content
from mmengine.config import Config
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

import mmktn
from mmktn.utils.config_path import read_config
from mmktn.utils.output_files import write_json
from mmktn.utils.user_error import one_line_errors

CONFIGS = Path(__file__).resolve().parents[2] / "configs/stip"
ARMS = {
    "baseline": "td-hm_hrnet-w16n_cpu_synthcrowd-128x96.py",
    "SaT": "stip-sat_hrnet-w16n_cpu_synthcrowd-128x96.py",
    "IaP": "stip-iap_hrnet-w16n_cpu_synthcrowd-128x96.py",
    "SaT+IaP": "stip_hrnet-w16n_cpu_synthcrowd-128x96.py",
}
COLUMNS = {
    "AP": "crowdpose/oks/AP",
    "AP50": "crowdpose/oks/AP50",
    "easy": "crowdpose/oks/APeasy_code0.2-0.8",
    "medium": "crowdpose/oks/APmedium_code0.2-0.8",
    "hard": "crowdpose/oks/APhard_code0.2-0.8",
    **{f"recall@{t}": f"crowdpose/recall@{t}" for t in (0.1, 0.3, 0.5, 0.7)},
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="default: the configs'")
    parser.add_argument("--data-root", default="data/synthetic_crowd/")
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/stip_ablation"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("work_dirs/stip_ablation/results.json"))
    parser.add_argument("--plot", type=Path, help="also draw the table into this picture")
    parser.add_argument("--show", action="store_true", help="only show what is stored")
    return parser.parse_args(argv)


def arm_config(arm: str, seed: int, args: argparse.Namespace) -> Config:
    """Config of one run."""
    cfg = read_config(CONFIGS / ARMS[arm])
    root = args.data_root.rstrip("/") + "/"
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = root
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.ann_file = root + "annotations/crowdpose_val.json"
        evaluator.with_recall = True
    if args.epochs:
        cfg.train_cfg.max_epochs = args.epochs
        cfg.train_cfg.val_interval = args.epochs
        cfg.param_scheduler[1].end = args.epochs
    cfg.randomness = {"seed": seed}
    cfg.log_level = "WARNING"
    cfg.default_hooks.checkpoint.interval = cfg.train_cfg.max_epochs
    cfg.experiment_name = f"{arm}_{seed}_{time.time_ns()}"
    cfg.work_dir = str(args.work_dir / f"{arm}_{seed}")
    return cfg


def run_arm(arm: str, seed: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Train and test one arm with one seed; the baseline gives two results."""
    cfg = arm_config(arm, seed, args)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    runner = Runner.from_cfg(cfg)
    start, cpu_start = time.perf_counter(), time.process_time()
    runner.train()
    entry = {
        "seed": seed,
        "epochs": cfg.train_cfg.max_epochs,
        "iterations": runner.iter,
        "train_seconds": round(time.perf_counter() - start, 1),
        "train_cpu_seconds": round(time.process_time() - cpu_start, 1),
        "parameters": sum(p.numel() for p in runner.model.parameters()),
    }
    results = [{"arm": arm, **entry, "metrics": runner.test()}]
    if arm == "baseline":
        from mmktn.stip import RefinedHeatmap

        codec = runner.model.head.decoder
        runner.model.head.decoder = RefinedHeatmap(
            codec.input_size, codec.heatmap_size, codec.sigma
        )
        results.append({"arm": "baseline-refined", **entry, "metrics": runner.test()})
    return results


def show(results: list[dict[str, Any]]) -> None:
    """Print mean and sample deviation over the seeds, and paired gains over the baseline."""
    table = Table(title="synthetic crowd, mean +- sample deviation over seeds, percent")
    for column in ("arm", "seeds", *COLUMNS, "gain in AP", "CPU s"):
        table.add_column(column)
    base = {r["seed"]: r["metrics"][COLUMNS["AP"]] for r in results if r["arm"] == "baseline"}
    for arm in dict.fromkeys(result["arm"] for result in results):
        runs = [result for result in results if result["arm"] == arm]
        cells = [spread([100 * run["metrics"][key] for run in runs]) for key in COLUMNS.values()]
        gains = [
            100 * (run["metrics"][COLUMNS["AP"]] - base[run["seed"]])
            for run in runs
            if run["seed"] in base
        ]
        seconds = statistics.mean(run["train_cpu_seconds"] for run in runs)
        table.add_row(arm, str(len(runs)), *cells, spread(gains), f"{seconds:.0f}")
    Console(width=200).print(table)


@one_line_errors("stip_ablation")
def main(argv: list[str] | None = None) -> None:
    """Run what is missing, store, show."""
    args = parse_args(argv)
    torch.set_num_threads(args.threads)
    results = stored_content(args.out, "results")["results"]
    for seed in args.seeds if not args.show else ():
        for arm in args.arms:
            if any((r["arm"], r["seed"]) == (arm, seed) for r in results):
                continue
            results += run_arm(arm, seed, args)
            header = {"mmktn": mmktn.__version__, "torch": torch.__version__}
            settings = {"data_root": args.data_root, "epochs": results[-1]["epochs"]}
            report = {**header, "settings": settings, "results": results}
            write_json(args.out, report, indent=1)
    show(results)
    if args.plot:
        arms = {name: [] for name in dict.fromkeys(r["arm"] for r in results)}
        for result in results:
            arms[result["arm"]].append(100 * result["metrics"][COLUMNS["AP"]])
        draw_arms(args.plot, "STIP on the synthetic crowd", arms, label="OKS AP, percent")


if __name__ == "__main__":
    sys.exit(main())
