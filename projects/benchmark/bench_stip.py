"""Time and memory of STIPNet: ours against kernels that are stored.

Usage: python projects/benchmark/bench_stip.py [--out FILE.json] [--rounds N] [--width 32|48]

Random weights and crops; every measurement in a process of its own, the variants take turns.
'direct' computes what the official code computes in its order, with its memory layout, and stores
the (B, K, D, H, W) kernels; it is the baseline of the ratios. 'direct-channels-last' differs from
it in the layout alone, so the rest of the gain of 'ours' is that of the regressor. Modes:
'predict' (final maps), 'all-maps' (everything training needs, no gradient), 'train' (forward,
losses, backward). `head_peak_mb` counts live tensors made by the head (peak_memory.py);
`largest_difference` compares with 'direct' on the same weights. On a shared machine trust the CPU
seconds with --threads 1 (processor time of the process, what an idle machine would take).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from direct_stip import direct_forward_maps
from measure import (
    add_options,
    make_report,
    measure_in_turns,
    peak_cuda_mb,
    peak_rss_mb,
    time_calls,
)
from peak_memory import PeakMemoryMeter
from rich.console import Console
from rich.table import Table
from schema import check_report

from mmktn.models.backbones.staged_hrnet import StagedHRNet
from mmktn.stip import STIPHead, STIPLoss, STIPTargets
from mmktn.utils.output_files import claim_output, write_json
from mmktn.utils.user_error import one_line_errors

VARIANTS = ("direct", "direct-channels-last", "ours")
MODES = ("predict", "all-maps", "train")
BASELINE = "direct"
# Official code, STIPNet-W32, 256x192, batch 8, forward, 2 cores.
OFFICIAL_SECONDS = 1.16


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--size", nargs=2, type=int, default=[256, 192], metavar=("H", "W"))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--width", type=int, default=32, choices=(8, 32, 48))
    parser.add_argument("--keypoints", type=int, default=14)
    add_options(parser)
    parser.set_defaults(rounds=3, repeats=2)
    return parser.parse_args(argv)


def hrnet_extra(width: int) -> dict[str, Any]:
    """Stage table of HRNet."""
    widths = [width * 2**branch for branch in range(4)]
    table: dict[str, Any] = {
        "stage1": {
            "num_modules": 1,
            "num_branches": 1,
            "block": "BOTTLENECK",
            "num_blocks": (4,),
            "num_channels": (64,),
        }
    }
    for stage, modules in ((2, 1), (3, 4), (4, 3)):
        table[f"stage{stage}"] = {
            "num_modules": modules,
            "num_branches": stage,
            "block": "BASIC",
            "num_blocks": (4,) * stage,
            "num_channels": tuple(widths[:stage]),
        }
    return table


def build(variant: str, job: dict[str, Any]) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Backbone and head of a variant with the same random weights for all of them."""
    torch.manual_seed(0)
    backbone = StagedHRNet(hrnet_extra(job["width"]), channels_last=variant != "direct")
    head = STIPHead(job["width"], job["keypoints"], semantic_transfer={}, instance_parsing={})
    if variant == "direct":
        head.to(memory_format=torch.contiguous_format)
    return backbone.to(job["device"]), head.to(job["device"])


def make_call(
    variant: str, job: dict[str, Any], head: torch.nn.Module
) -> Callable[[tuple[torch.Tensor, ...]], torch.Tensor]:
    """What a variant does with the maps of the backbone in a mode; returns the final maps."""
    direct = variant != "ours"
    if job["mode"] == "predict":
        return lambda feats: direct_forward_maps(head, feats).final if direct else head(feats)
    if job["mode"] == "all-maps":
        return lambda feats: (
            (direct_forward_maps(head, feats) if direct else head.forward_maps(feats)).final
        )
    criterion = STIPLoss()
    height, width = (2 * side // 4 for side in job["size"])
    shape = (job["batch"], job["keypoints"])
    device = job["device"]
    targets = STIPTargets(
        heatmaps=torch.rand(*shape, height, width, device=device),
        keypoint_weights=torch.ones(shape, device=device),
        person_mask=torch.ones(shape[0], 1, height, width, device=device),
        keypoint_presence=torch.ones(shape, device=device),
    )

    def step(feats: tuple[torch.Tensor, ...]) -> torch.Tensor:
        output = direct_forward_maps(head, feats) if direct else head.forward_maps(feats)
        sum(criterion(output, targets).values()).backward()
        return output.final.detach()

    return step


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Time one variant in one mode, then follow the head's memory and compare with 'direct'."""
    variant, device = job["name"], torch.device(job["device"])
    backbone, head = build(variant, job)
    training = job["mode"] == "train"
    for module in (backbone, head):
        module.train(training)
    images = torch.randn(job["batch"], 3, *job["size"], device=device)
    call = make_call(variant, job, head)
    with torch.set_grad_enabled(training):
        seconds = time_calls(
            lambda: call(backbone(images)), repeats=job["repeats"], warmup=1, device=device
        )
        rss = peak_rss_mb()
        backbone.eval()
        feats = tuple(feat.detach().requires_grad_(training) for feat in backbone(images))
        for parameter in head.parameters():
            parameter.grad = None
        with PeakMemoryMeter() as meter:
            final = call(feats)
        reference = direct_forward_maps(head, feats).final
    return {
        "name": variant,
        "mode": job["mode"],
        "device": job["device"],
        "seconds": seconds,
        "peak_rss_mb": rss,
        "peak_cuda_mb": peak_cuda_mb(device),
        "head_peak_mb": round(meter.peak_bytes / 1e6, 1),
        "largest_difference": ((final - reference).abs().max() / reference.abs().max()).item(),
        "parameters": sum(p.numel() for m in (backbone, head) for p in m.parameters()),
    }


def show(report: dict[str, Any]) -> None:
    """Print the report as a table."""
    table = Table(title="STIPNet; x: times as fast as 'direct'")
    for column in ("variant", "mode", "s", "x", "CPU s", "x", "head MB", "of direct", "error"):
        table.add_column(column)
    direct = {r["mode"]: r for r in report["results"] if r["name"] == BASELINE}
    for result in report["results"]:
        base = direct[result["mode"]]
        table.add_row(
            result["name"],
            result["mode"],
            f"{result['seconds']['median']:.3f}",
            f"{base['seconds']['median'] / result['seconds']['median']:.2f}",
            f"{result['seconds']['cpu_median']:.2f}",
            f"{base['seconds']['cpu_median'] / result['seconds']['cpu_median']:.2f}",
            f"{result['head_peak_mb']:.0f}",
            f"{result['head_peak_mb'] / base['head_peak_mb']:.2f}",
            f"{result['largest_difference']:.1e}",
        )
    Console().print(table)


@one_line_errors("bench_stip")
def main(argv: list[str] | None = None) -> None:
    """Measure, check the report, write it."""
    args = parse_args(argv)
    if args.worker:
        sys.stdout.write(json.dumps(measure(json.loads(args.worker))) + "\n")
        return
    if args.out:
        claim_output(args.out, overwrite=args.overwrite)
    settings = {
        "size": args.size,
        "batch": args.batch,
        "width": args.width,
        "keypoints": args.keypoints,
        "repeats": args.repeats,
        "device": args.device,
    }
    results = []
    for mode in args.modes:
        job = {"mode": mode, **settings}
        results += measure_in_turns(
            Path(__file__), VARIANTS, job, rounds=args.rounds, threads=args.threads
        )
    report = make_report(
        "bench_stip",
        settings={**settings, "rounds": args.rounds, "official_seconds": OFFICIAL_SECONDS},
        results=results,
        baseline=BASELINE,
    )
    check_report(report)
    if args.out:
        write_json(args.out, report, indent=1)
    show(report)


if __name__ == "__main__":
    sys.exit(main())
