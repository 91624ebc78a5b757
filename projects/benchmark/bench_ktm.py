"""What the forms of KTM's perceptron cost in training: parameters, time of a step, memory.

Usage: python projects/benchmark/bench_ktm.py [--out FILE.json] [--variants NAME...]

One step is forward, backward and SGD with momentum of the full-size predictor of KTN v2 on random
features; the weights of the box head are given. Every variant runs in a process of its own.
'full' is the original and the baseline of the ratios, 'plain' the same maps without any KTM.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from measure import (
    add_options,
    current_rss_mb,
    make_report,
    measure_in_turns,
    peak_cuda_mb,
    peak_rss_mb,
    time_calls,
)
from rich.console import Console
from rich.table import Table
from schema import check_report

from mmktn.models.predictors import MapPredictor
from mmktn.registry import MODELS
from mmktn.utils.output_files import claim_output, write_json
from mmktn.utils.setup_env import register_all_modules
from mmktn.utils.user_error import one_line_errors

MAPS = {"coarse_channels": 15, "with_body_mask": True, "num_keypoints": 17}
VARIANTS: dict[str, dict[str, Any] | None] = {
    "full": {"kind": "full"},
    "low_rank-256": {"kind": "low_rank", "rank": 256},
    "low_rank-64": {"kind": "low_rank", "rank": 64},
    "grouped-16": {"kind": "grouped", "groups": 16},
    "plain": None,
}
BASELINE = "full"
BOX_DIM = 1024


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--channels", type=int, default=512, help="channels of the trunk")
    parser.add_argument("--rois", type=int, default=16, help="boxes per step")
    parser.add_argument("--size", type=int, default=28, help="side of the pooled features")
    parser.add_argument("--warmup", type=int, default=1)
    add_options(parser)
    return parser.parse_args(argv)


def build_predictor(variant: str, channels: int) -> MapPredictor:
    """Predictor of KTN v2 with random weights and the wanted form of the perceptron."""
    register_all_modules()
    torch.manual_seed(0)
    form = VARIANTS[variant]
    if form is None:
        return MODELS.build({"type": "mmktn.ChartPredictor", "in_channels": channels, **MAPS})
    return MODELS.build(
        {
            "type": "mmktn.KTMv2ChartPredictor",
            "in_channels": channels,
            "box_dim": BOX_DIM,
            "transformer": form,
            **MAPS,
        }
    )


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Measure one variant in this process."""
    torch.set_num_threads(job["threads"])
    device = torch.device(job["device"])
    predictor = build_predictor(job["name"], job["channels"]).to(device).train()
    optimizer = torch.optim.SGD(predictor.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(1)
    shape = (job["rois"], job["channels"], job["size"], job["size"])
    x = torch.randn(shape, generator=generator).to(device)
    box_weights = {
        key: torch.randn(rows, BOX_DIM, generator=generator).to(device)
        for key, rows in (("cls", 2), ("reg", 4))
    }

    def step() -> None:
        optimizer.zero_grad()
        maps = predictor(x, box_weights)
        sum(values.square().mean() for _, values in maps.items()).backward()
        optimizer.step()

    idle = current_rss_mb()
    seconds = time_calls(step, repeats=job["repeats"], warmup=job["warmup"], device=device)
    parameters = sum(p.numel() for p in predictor.parameters())
    return {
        **job,
        "mode": "train",
        "transformer": VARIANTS[job["name"]],
        "seconds": seconds,
        "peak_rss_mb": peak_rss_mb(),
        "idle_rss_mb": idle,
        "peak_cuda_mb": peak_cuda_mb(device),
        "parameters": parameters,
    }


def add_parameter_ratios(report: dict[str, Any]) -> None:
    """Add `ratio_parameters` to the baseline, None where it was not measured."""
    counts = {row["name"]: row["parameters"] for row in report["results"]}
    for row in report["results"]:
        row["ratio_parameters"] = (
            round(row["parameters"] / counts[BASELINE], 4) if BASELINE in counts else None
        )


def show(report: dict[str, Any]) -> None:
    """Print the report."""
    table = Table(title="Training step of the KTM predictor (median) and peak MB of the process")
    for column in ("variant", "M params", "s", "MB", "params / full", "s / full", "MB / full"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    for row in report["results"]:
        ratios = ("ratio_parameters", "ratio_seconds", "ratio_peak_rss")
        table.add_row(
            row["name"],
            f"{row['parameters'] / 1e6:.1f}",
            f"{row['seconds']['median']:.3f}",
            f"{row['peak_rss_mb']:.0f}",
            *(f"{row[key] or float('nan'):.3f}" for key in ratios),
        )
    Console(width=100).print(table)


@one_line_errors("bench_ktm")
def main(argv: list[str] | None = None) -> int:
    """Run all variants, or one of them as a worker; returns the exit status."""
    args = parse_args(argv)
    if args.worker:
        print(json.dumps(work(json.loads(args.worker))))
        return 0
    if args.out:
        claim_output(args.out, overwrite=args.overwrite)
    keys = ("channels", "rois", "size", "repeats", "warmup", "threads", "device")
    settings = {key: getattr(args, key) for key in keys}
    report = make_report(
        "bench_ktm",
        settings={**settings, "rounds": args.rounds},
        results=measure_in_turns(
            Path(__file__), args.variants, settings, rounds=args.rounds, threads=args.threads
        ),
        baseline=BASELINE if BASELINE in args.variants else None,
    )
    add_parameter_ratios(report)
    check_report(report)
    show(report)
    if args.out is not None:
        write_json(args.out, report, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
