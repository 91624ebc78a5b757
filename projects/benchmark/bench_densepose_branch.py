"""Time and memory of the DensePose branch alone: decoder, RoI pooling, head, decoding.

Usage: python projects/benchmark/bench_densepose_branch.py [--out FILE.json] [--variants NAME...]

Random weights and features, one image, boxes of a fixed size; every variant in a process of its
own. 'direct' is KTN v2 written down as the released code computes it (direct_branch.py) and the
baseline of the ratios; 'ktn2' is ours with the same weights, 'ktn2-folded' without the transfer
machine. The outputs of 'ktn2' and 'direct' are compared in `--check`.
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
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from rich.console import Console
from rich.table import Table
from schema import check_report

from mmktn.models.rcnn import DensePoseRoIHead
from mmktn.registry import MODELS
from mmktn.utils.config_path import read_config
from mmktn.utils.output_files import claim_output, write_json
from mmktn.utils.user_error import one_line_errors

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "densepose"
VARIANTS = {
    "direct": "ktn2_r50_fpn_s1x_dp-coco.py",
    "ktn2": "ktn2_r50_fpn_s1x_dp-coco.py",
    "ktn2-folded": "ktn2_r50_fpn_s1x_dp-coco.py",
    "d2": "densepose-rcnn_r50_fpn_s1x_dp-coco.py",
    "deeplab": "densepose-rcnn-dl_r50_fpn_s1x_dp-coco.py",
}
# Official code, 2 cores, 480 x 640, 10 boxes, DensePose branch alone: (seconds, GB of the process).
OFFICIAL = {"ktn2": (2.84, 2.07), "d2": (1.61, None), "deeplab": (1.78, None)}
BASELINE = "direct"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--size", nargs=2, type=int, default=[480, 640], metavar=("H", "W"))
    parser.add_argument("--boxes", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=1)
    add_options(parser)
    parser.add_argument("--check", action="store_true", help="compare 'ktn2' with 'direct' instead")
    return parser.parse_args(argv)


def build_roi_head(config: str, *, folded: bool) -> DensePoseRoIHead:
    """RoI head of a config with random weights; no backbone, no RPN."""
    cfg = read_config(CONFIGS / config)
    init_default_scope("mmdet")
    head = cfg.model.roi_head
    if folded:
        head.densepose_head.predictor.folded = True
    head.train_cfg, head.test_cfg = cfg.model.train_cfg.rcnn, cfg.model.test_cfg.rcnn
    torch.manual_seed(0)
    return MODELS.build(head).eval()


def make_inputs(
    size_hw: list[int], num_boxes: int, device: torch.device
) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    """Random FPN levels of one image and boxes of 45 % of its height, spread over its width."""
    generator = torch.Generator().manual_seed(1)
    height, width = size_hw
    levels = tuple(
        torch.randn(1, 256, -(-height // s), -(-width // s), generator=generator).to(device)
        for s in (4, 8, 16, 32, 64)
    )
    box_h, box_w = 0.45 * height, 0.2 * width
    x = torch.linspace(0, width - box_w - 1, num_boxes)
    y = torch.linspace(0, height - box_h - 1, num_boxes)
    return levels, torch.stack([x, y, x + box_w, y + box_h], dim=1).to(device)


def make_call(variant: str, roi_head: DensePoseRoIHead, inputs: tuple) -> Any:
    """Function that runs the branch once and returns its `ChartResults`."""
    levels, boxes = inputs
    if variant == "direct":
        from direct_branch import direct_predict

        return lambda: direct_predict(roi_head, levels, boxes, boxes)

    def ours() -> Any:
        results = [InstanceData(bboxes=boxes)]
        return roi_head.predict_densepose(levels, [boxes], results)[0].densepose

    return ours


@torch.no_grad()
def work(job: dict[str, Any]) -> dict[str, Any]:
    """Measure one variant in this process."""
    torch.set_num_threads(job["threads"])
    device = torch.device(job["device"])
    variant = job["name"]
    roi_head = build_roi_head(VARIANTS[variant], folded=variant.endswith("-folded")).to(device)
    call = make_call(variant, roi_head, make_inputs(job["size_hw"], job["boxes"], device))
    idle = current_rss_mb()
    seconds = time_calls(call, repeats=job["repeats"], warmup=job["warmup"], device=device)
    return {
        **job,
        "mode": "branch",
        "config": VARIANTS[variant],
        "seconds": seconds,
        "peak_rss_mb": peak_rss_mb(),
        "idle_rss_mb": idle,
        "peak_cuda_mb": peak_cuda_mb(device),
        "parameters": sum(p.numel() for p in roi_head.parameters()),
    }


@torch.no_grad()
def compare(args: argparse.Namespace) -> int:
    """Print how far 'ktn2' and 'direct' are apart; exit status 1 if a chart differs."""
    roi_head = build_roi_head(VARIANTS["ktn2"], folded=False)
    inputs = make_inputs(args.size, args.boxes, torch.device("cpu"))
    ours, direct = (make_call(name, roi_head, inputs)() for name in ("ktn2", "direct"))
    charts = sum(int((a.labels != b.labels).sum()) for a, b in zip(ours, direct, strict=True))
    total = sum(a.labels.numel() for a in ours)
    people = sum(int((a.labels > 0).sum()) for a in ours)
    uv = max(
        float(((a.uv - b.uv).abs() * (a.labels == b.labels)).max())
        for a, b in zip(ours, direct, strict=True)
    )
    print(f"charts differ in {charts} of {total} pixels ({people} on a person); U, V by {uv:.2e}")
    # Equal up to rounding: where two logits tie to seven digits, either chart is right.
    return int(charts > 1e-4 * total or uv > 1e-4)


def show(report: dict[str, Any]) -> None:
    """Print the report beside the figures of the official code."""
    table = Table(title="DensePose branch alone, seconds (median) and peak MB of the process")
    for column in (
        "variant",
        "s",
        "min s",
        "CPU s",
        "MB",
        "idle MB",
        "s / direct",
        "MB / direct",
        "official s, MB",
    ):
        table.add_column(column, justify="left" if column == "variant" else "right")
    for row in report["results"]:
        official = OFFICIAL.get(row["name"].removesuffix("-folded"))
        known = "-" if official is None else f"{official[0]}, {official[1] or '?'} GB"
        table.add_row(
            row["name"],
            f"{row['seconds']['median']:.2f}",
            f"{row['seconds']['min']:.2f}",
            f"{row['seconds']['cpu_median']:.2f}",
            f"{row['peak_rss_mb']:.0f}",
            f"{row['idle_rss_mb'] or float('nan'):.0f}",
            *(f"{row[key] or float('nan'):.2f}" for key in ("ratio_seconds", "ratio_peak_rss")),
            known,
        )
    Console(width=110).print(table)


@one_line_errors("bench_densepose_branch")
def main(argv: list[str] | None = None) -> int:
    """Run all variants, or one of them as a worker; returns the exit status."""
    args = parse_args(argv)
    if args.worker:
        print(json.dumps(work(json.loads(args.worker))))
        return 0
    if args.check:
        return compare(args)
    if args.out:
        claim_output(args.out, overwrite=args.overwrite)
    settings = {
        "size_hw": args.size,
        "boxes": args.boxes,
        "repeats": args.repeats,
        "warmup": args.warmup,
        "threads": args.threads,
        "device": args.device,
    }
    report = make_report(
        Path(__file__).name,
        settings={**settings, "rounds": args.rounds},
        results=measure_in_turns(
            Path(__file__), args.variants, settings, rounds=args.rounds, threads=args.threads
        ),
        baseline=BASELINE if BASELINE in args.variants else None,
    )
    check_report(report)
    show(report)
    if args.out:
        write_json(args.out, report, indent=1)
        print(f"written to {args.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
