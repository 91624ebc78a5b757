"""Inference and training step of configs: time, peak memory, parameters.

Usage: python projects/benchmark/benchmark_models.py CONFIG... [--size H W]... [--modes MODE...]
       [--baseline CONFIG] [--boxes N] [--out FILE.json]

Random images and, without `--checkpoint`, random weights. Each measurement runs in a process of its
own, so that peak memory is that of one config. 'inference' is the whole model, its detections held
at `--boxes` (random weights find as many as they may); 'branch' is the DensePose branch alone on
given boxes; 'train' is loss, backward pass and optimiser step on made-up people.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import make_report, peak_cuda_mb, peak_rss_mb, run_worker, time_calls
from mmdet.structures import DetDataSample
from mmengine.optim import build_optim_wrapper
from mmengine.structures import InstanceData
from rich.console import Console
from rich.table import Table
from schema import check_report
from torch import nn

from mmktn.apis import DensePoseInferencer, load_model
from mmktn.apis.test_pipeline import find_test_pipeline, type_name
from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, write_json
from mmktn.utils.user_error import one_line_errors

MODES = ("inference", "branch", "train")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="*", help="config files")
    parser.add_argument(
        "--size",
        nargs=2,
        type=int,
        action="append",
        metavar=("H", "W"),
        help="network input; repeat for several (default: 480 640)",
    )
    parser.add_argument("--modes", nargs="+", choices=MODES, default=["inference", "train"])
    parser.add_argument("--baseline", help="config that the ratios refer to; measured too")
    parser.add_argument("--checkpoint", help="weights, if there is only one config")
    parser.add_argument("--boxes", type=int, default=10, help="people per image")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", help="default: the GPU if there is one")
    parser.add_argument("--amp", choices=["bfloat16", "float16"], help="autocast to this type")
    parser.add_argument("--out", type=Path, help="write the report as JSON")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if not args.worker and not args.configs and not args.baseline:
        parser.error("name at least one config")
    if args.checkpoint and len(args.configs) != 1:
        parser.error("--checkpoint goes with exactly one config")
    return args


def build(job: dict[str, Any]) -> nn.Module:
    """Model of a job; its detections are held at the wanted number of boxes."""
    model = load_model(
        job["config"],
        job["checkpoint"],
        device=job["device"],
        cfg_options={
            "model.test_cfg.rcnn.score_thr": 0.0,
            "model.test_cfg.rcnn.max_per_img": job["boxes"],
        },
    )
    torch.manual_seed(0)
    return model


def make_images(job: dict[str, Any]) -> list[np.ndarray]:
    """Noise, (H, W, 3) uint8 BGR."""
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 256, (*job["size_hw"], 3)).astype(np.uint8)
        for _ in range(job["batch_size"])
    ]


def make_boxes(size_hw: list[int], number: int) -> np.ndarray:
    """(N, 4) boxes of 45 % of the height, spread over the image."""
    height, width = size_hw
    x = np.linspace(0, 0.8 * width - 1, number)
    y = np.linspace(0, 0.55 * height - 1, number)
    return np.stack([x, y, x + 0.2 * width, y + 0.45 * height], axis=1).astype(np.float32)


def make_annotation(generator: torch.Generator) -> DensePoseAnnotation:
    """A person of 100 points in random places."""
    return DensePoseAnnotation(
        point_xy=torch.rand(100, 2, generator=generator),
        point_charts=torch.randint(1, 25, (100,), generator=generator),
        point_uv=torch.rand(100, 2, generator=generator),
        coarse_map=torch.randint(0, 15, (256, 256), generator=generator).to(torch.uint8),
        keypoint_xy=torch.rand(17, 2, generator=generator),
        keypoint_visible=torch.full((17,), 2),
    )


def inference_call(model: nn.Module, job: dict[str, Any], *, branch: bool) -> Callable[[], Any]:
    """Function that runs the whole model, or the branch on given boxes.

    The network input has the job's size: the pipeline's Resize is left out.
    """
    size = tuple(job["size_hw"])
    device = next(model.parameters()).device
    if not branch:
        for step in find_test_pipeline(model.cfg):
            if type_name(step) == "Resize":
                step["scale"] = size[::-1]
        inferencer = DensePoseInferencer(model)
        images = make_images(job)
        return lambda: inferencer.predict(images)
    images = torch.zeros(job["batch_size"], 3, *_padded(size), device=device)
    boxes = torch.from_numpy(make_boxes(job["size_hw"], job["boxes"])).to(device)
    features = model.extract_feat(images)

    def branch_once() -> Any:
        results = [InstanceData(bboxes=boxes) for _ in images]
        return model.roi_head.predict_densepose(features, [boxes for _ in images], results)

    return branch_once


def training_parts(model: nn.Module, job: dict[str, Any]) -> list[tuple[str, Callable[[], Any]]]:
    """Forward pass, backward pass and update of one optimiser step, to be called in this order."""
    model.train()
    device = next(model.parameters()).device
    optimiser = build_optim_wrapper(model, model.cfg.optim_wrapper)
    generator = torch.Generator().manual_seed(0)
    samples = []
    for _ in range(job["batch_size"]):
        size = tuple(job["size_hw"])
        people = InstanceData(
            bboxes=torch.from_numpy(make_boxes(job["size_hw"], job["boxes"])),
            labels=torch.zeros(job["boxes"], dtype=torch.long),
            densepose=DensePoseAnnotations(make_annotation(generator) for _ in range(job["boxes"])),
        )
        meta = {"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0), "img_id": 0}
        samples.append(DetDataSample(metainfo=meta, gt_instances=people).to(device))
    images = [torch.from_numpy(image).permute(2, 0, 1) for image in make_images(job)]

    total: dict[str, torch.Tensor] = {}

    def forward() -> None:
        data = model.data_preprocessor({"inputs": images, "data_samples": samples}, training=True)
        with optimiser.optim_context(model):
            losses = model(**data, mode="loss")
        total["loss"], _ = model.parse_losses(losses)

    def backward() -> None:
        optimiser.backward(optimiser.scale_loss(total.pop("loss")))

    def update() -> None:
        optimiser.step()
        optimiser.zero_grad()

    return [("forward", forward), ("backward", backward), ("update", update)]


def training_call(model: nn.Module, job: dict[str, Any]) -> Callable[[], Any]:
    """Function that makes one optimiser step."""
    parts = training_parts(model, job)
    return lambda: [part() for _, part in parts]


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Measure one job in this process."""
    torch.set_num_threads(job["threads"])
    model = build(job)
    device = next(model.parameters()).device
    training = job["mode"] == "train"
    amp = getattr(torch, job["amp"]) if job["amp"] else None
    with (
        torch.set_grad_enabled(training),
        torch.autocast(device.type, dtype=amp, enabled=amp is not None),
    ):
        if training:
            call = training_call(model, job)
        else:
            call = inference_call(model, job, branch=job["mode"] == "branch")
        seconds = time_calls(call, repeats=job["repeats"], warmup=job["warmup"], device=device)
    return {
        **job,
        "device": str(device),
        "seconds": seconds,
        "peak_rss_mb": peak_rss_mb(),
        "peak_cuda_mb": peak_cuda_mb(device),
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def make_jobs(args: argparse.Namespace) -> list[dict[str, Any]]:
    """One job for each config, size and mode; the baseline first."""
    configs = list(dict.fromkeys([*([args.baseline] if args.baseline else []), *args.configs]))
    return [
        {
            "name": Path(config).stem,
            "config": config,
            "mode": mode,
            "size_hw": size,
            "checkpoint": args.checkpoint,
            "boxes": args.boxes,
            "batch_size": args.batch_size,
            "repeats": args.repeats,
            "warmup": args.warmup,
            "threads": args.threads,
            "device": args.device,
            "amp": args.amp,
        }
        for config in configs
        for size in (args.size or [[480, 640]])
        for mode in args.modes
    ]


def show(report: dict[str, Any]) -> None:
    """Print the report as a table."""
    table = Table(title=f"commit {report['commit'][:10]}, {report['hardware']['cpu']}")
    for column in ("config", "mode", "size", "s", "MB", "CUDA MB", "M parameters", "s / baseline"):
        table.add_column(column, justify="left" if column in ("config", "mode") else "right")
    for row in report["results"]:
        cuda, ratio = row["peak_cuda_mb"], row["ratio_seconds"]
        table.add_row(
            row["name"],
            row["mode"],
            "x".join(map(str, row["size_hw"])),
            f"{row['seconds']['median']:.3f}",
            f"{row['peak_rss_mb']:.0f}",
            "-" if cuda is None else f"{cuda:.0f}",
            f"{row['parameters'] / 1e6:.1f}",
            "-" if ratio is None else f"{ratio:.2f}",
        )
    Console(width=130).print(table)


def _padded(size_hw: tuple[int, ...]) -> tuple[int, ...]:
    """Sides rounded up to multiples of 32, as the data preprocessor pads."""
    return tuple(-(-side // 32) * 32 for side in size_hw)


@one_line_errors("benchmark_models")
def main(argv: list[str] | None = None) -> int:
    """Run all jobs, or one of them as a worker; returns the exit status."""
    args = parse_args(argv)
    if args.worker:
        print(json.dumps(work(json.loads(args.worker))))
        return 0
    if args.out:
        claim_output(args.out, overwrite=args.overwrite)
    jobs = make_jobs(args)
    results = []
    for index, job in enumerate(jobs, start=1):
        what = f"{job['name']} {job['mode']} {job['size_hw'][0]}x{job['size_hw'][1]}"
        print(f"[{index}/{len(jobs)}] {what}", file=sys.stderr, flush=True)
        results.append(run_worker(Path(__file__), job, threads=args.threads))
    settings = {
        key: value for key, value in vars(args).items() if key not in ("worker", "out", "overwrite")
    }
    baseline = Path(args.baseline).stem if args.baseline else None
    report = make_report(Path(__file__).name, settings=settings, results=results, baseline=baseline)
    check_report(report)
    show(report)
    if args.out:
        write_json(args.out, report, indent=1)
        print(f"written to {args.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
