"""Train the systems of the papers' ablations on synthetic people; print mean and spread over seeds.

Usage: python projects/ablations/densepose_ablation.py
           [--groups components forms switches with_ktm systems fcn tasks alone pretrained]
           [--seeds 0 1 2] [--iterations N] [--data-root DIR] [--workers 2] [--out FILE.json]

All arms have the same data, optimizer, schedule and seeds; they are the CPU-size twins of the
configs behind the papers' tables. Every run is a process of its own on one thread; results are
stored as they come, and a run that is already there is not repeated. Every system, top-down or by
regions, gets the annotated boxes at test time: what is compared is charts, not detectors.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

from ablation_report import draw_arms, spread, stored_content, test_in_annotated_boxes
from rich.console import Console
from rich.table import Table

from mmktn.utils.config_path import read_config
from mmktn.utils.output_files import write_json
from mmktn.utils.user_error import UserError, one_line_errors

ROOT = Path(__file__).resolve().parents[2]
console = Console(width=200)


class Arm(NamedTuple):
    """A system: its config, the arm that it is compared with, where it starts, and what it changes.

    Attributes:
        config: Name of the config.
        base: Arm that it is compared with.
        start: Name of the config that is trained first.
        options: Keys of the config and their values.
    """

    config: str
    base: str | None = None
    start: str | None = None
    options: dict[str, Any] = {}


KTM2, MID2 = "densepose-rcnn_r18_fpn_ktm2_cpu_dp-synth", "densepose-rcnn_r18_fpn-mid2_cpu_dp-synth"
PREDICTOR = "model.roi_head.densepose_head.predictor"
NECK = "model.roi_head.densepose_neck"
GROUPS: dict[str, dict[str, Arm]] = {
    "components": {
        "RCNN*": Arm("densepose-rcnn-star_r18_fpn_cpu_dp-synth"),
        "+ MIDv1": Arm("densepose-rcnn-star_r18_fpn-mid1_cpu_dp-synth", "RCNN*"),
        "+ KTMv1": Arm("densepose-rcnn-star_r18_fpn_ktm1_cpu_dp-synth", "RCNN*"),
        "KTN v1": Arm("ktn1_r18_fpn_cpu_dp-synth", "RCNN*"),
        "+ MIDv2": Arm(MID2, "RCNN*"),
        "+ KTMv2": Arm(KTM2, "RCNN*"),
        "KTN v2": Arm("ktn2_r18_fpn_cpu_dp-synth", "RCNN*"),
    },
    "forms": {
        "KTN v2, low rank": Arm("ktn2_r18_fpn_lowrank_cpu_dp-synth", "KTN v2"),
        "KTN v2, grouped": Arm(
            "ktn2_r18_fpn_cpu_dp-synth",
            "KTN v2",
            options={f"{PREDICTOR}.transformer": {"kind": "grouped", "groups": 16}},
        ),
    },
    "switches": {
        "+ MIDv1, figure": Arm("densepose-rcnn-star_r18_fpn-mid1_figure_cpu_dp-synth", "+ MIDv1"),
        "+ MIDv2, cascade": Arm(MID2, "+ MIDv2", options={f"{NECK}.topdown": "cascade"}),
        "+ MIDv2, plain": Arm(MID2, "+ MIDv2", options={f"{NECK}.with_multi_dilation": False}),
        "+ KTMv2, location": Arm(KTM2, "+ KTMv2", options={f"{PREDICTOR}.sources": ["box"]}),
        "+ KTMv2, keypoint": Arm(KTM2, "+ KTMv2", options={f"{PREDICTOR}.sources": ["keypoint"]}),
        "+ KTMv2, part": Arm(KTM2, "+ KTMv2", options={f"{PREDICTOR}.sources": ["part"]}),
    },
    "tasks": {
        "+ masks": Arm("densepose-rcnn-mask_r18_fpn_cpu_dp-synth", "DensePose R-CNN"),
        "+ keypoints": Arm("densepose-rcnn-kpt_r18_fpn_cpu_dp-synth", "DensePose R-CNN"),
        "cascade": Arm("densepose-cascade_r18_fpn_cpu_dp-synth", "DensePose R-CNN"),
        "cascade + masks": Arm("densepose-cascade-mask_r18_fpn_cpu_dp-synth", "+ masks"),
        "cascade + keypoints": Arm("densepose-cascade-kpt_r18_fpn_cpu_dp-synth", "+ keypoints"),
    },
    "with_ktm": {
        "DensePose R-CNN": Arm("densepose-rcnn-legacy_r18_fpn_cpu_dp-synth"),
        "DensePose R-CNN + KTM": Arm(
            "densepose-rcnn-legacy_r18_fpn_ktm1_cpu_dp-synth", "DensePose R-CNN"
        ),
        "Parsing R-CNN": Arm("parsing-rcnn_r18_fpn_cpu_dp-synth"),
        "Parsing R-CNN + KTM": Arm("parsing-rcnn_r18_fpn_ktm1_cpu_dp-synth", "Parsing R-CNN"),
        "AMA-net": Arm("ama-net_r18_fpn_cpu_dp-synth"),
        "AMA-net + KTM": Arm("ama-net_r18_fpn_ktm1_cpu_dp-synth", "AMA-net"),
        "SimpleBaseline": Arm("densepose-td_r18_cpu_dp-synth"),
        "SimpleBaseline + KTM": Arm("densepose-td_r18_ktm2_cpu_dp-synth", "SimpleBaseline"),
        "HRNet": Arm("densepose-td_hrnet-w16n_cpu_dp-synth"),
        "HRNet + KTM": Arm("densepose-td_hrnet-w16n_ktm2_cpu_dp-synth", "HRNet"),
    },
    "systems": {
        "detectron2 R50": Arm("densepose-rcnn_r18_fpn_cpu_dp-synth"),
        "detectron2 DeepLab": Arm("densepose-rcnn-dl_r18_fpn_cpu_dp-synth", "detectron2 R50"),
        "detectron2 HRFPN": Arm("densepose-rcnn_hrnet-w16n_hrfpn_cpu_dp-synth", "detectron2 R50"),
        "KTN v2 on HRFPN": Arm("ktn2_hrnet-w16n_hrfpn_cpu_dp-synth", "detectron2 HRFPN"),
        "KTN's Parsing R-CNN": Arm("parsing-rcnn-k1_r18_fpn-mid1_cpu_dp-synth"),
        "KTN's Parsing R-CNN + KTM": Arm(
            "parsing-rcnn-k1_r18_fpn-mid1_ktm1_cpu_dp-synth", "KTN's Parsing R-CNN"
        ),
        "SimpleBaseline + KTMv1": Arm("densepose-td_r18_ktm1_cpu_dp-synth", "SimpleBaseline"),
        "HRNet + KTMv1": Arm("densepose-td_hrnet-w16n_ktm1_cpu_dp-synth", "HRNet"),
    },
    "fcn": {
        "DP-FCN": Arm("dp-fcn_r18_cpu_dp-synth"),
        "DP-FCN in boxes": Arm("dp-fcn_r18_boxes_cpu_dp-synth"),
        "DP-FCN, single persons": Arm("dp-fcn-person_r18_cpu_dp-synth"),
        "DP-FCN teacher": Arm("dp-fcn-teacher_r18_cpu_dp-synth"),
        "DP*": Arm("dp-fcn-oracle_r18_cpu_dp-synth", "DP-FCN teacher"),
    },
    "alone": {
        "body segmentation": Arm("body-seg_r18_fpn_cpu_dp-synth"),
        "body segmentation + MIDv1": Arm("body-seg_r18_fpn-mid1_cpu_dp-synth", "body segmentation"),
        "body segmentation + MIDv2": Arm("body-seg_r18_fpn-mid2_cpu_dp-synth", "body segmentation"),
        "part segmentation": Arm("part-seg_r18_fpn_cpu_dp-synth"),
        "part segmentation + MIDv1": Arm("part-seg_r18_fpn-mid1_cpu_dp-synth", "part segmentation"),
        "part segmentation + MIDv2": Arm("part-seg_r18_fpn-mid2_cpu_dp-synth", "part segmentation"),
        "keypoints": Arm("keypoints_r18_fpn_cpu_dp-synth"),
        "keypoints + MIDv1": Arm("keypoints_r18_fpn-mid1_cpu_dp-synth", "keypoints"),
        "keypoints + MIDv2": Arm("keypoints_r18_fpn-mid2_cpu_dp-synth", "keypoints"),
    },
    "pretrained": {
        "+ MIDv2, from keypoints": Arm(
            MID2,
            "+ MIDv2",
            "keypoints_r18_fpn-mid2_cpu_dp-synth",
        ),
        "KTN v2, from keypoints": Arm(
            "ktn2_r18_fpn_cpu_dp-synth",
            "+ MIDv2, from keypoints",
            "keypoints_r18_fpn-mid2_cpu_dp-synth",
        ),
    },
}
ARMS = {name: arm for group in GROUPS.values() for name, arm in group.items()}
COLUMNS = {
    "GPS AP": "densepose/gps/AP",
    "AP50": "densepose/gps/AP50",
    "AR": "densepose/gps/AR",
    "GPSm AP": "densepose/gpsm/AP",
    "AUC10": "pointwise/AUC10",
    "AUC30": "pointwise/AUC30",
    "mask AP": "body_mask/AP",
    "parts mIoU": "parts/mIoU",
    "OKS AP": "keypoints/oks/AP",
}
# Metrics of charts, and the pointwise ones of the same result.
POINTWISE = {
    "mmktn.DensePoseMetric": "mmktn.PointwiseDensePoseMetric",
    "mmktn.TopdownDensePoseMetric": "mmktn.TopdownPointwiseMetric",
}
# Gains are told in the first of these that an arm measures.
GAIN_KEYS = ("pointwise/AUC30", "body_mask/AP", "parts/mIoU", "keypoints/oks/AP")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--arms", nargs="+", choices=ARMS, help="instead of whole groups")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, default=900)
    parser.add_argument("--batch-size", type=int, help="default: the configs'")
    parser.add_argument("--data-root", default="data/synthetic_densepose")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/densepose_ablation.json"))
    parser.add_argument("--plot", type=Path, help="also draw the table into this picture")
    parser.add_argument("--show", action="store_true", help="only show what is stored")
    parser.add_argument("--run", nargs=2, metavar=("ARM", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.iterations < 2:
        parser.error("--iterations must be at least 2: warm-up and cosine take one each")
    return args


def arm_config(arm: Arm, seed: int, args: argparse.Namespace, work_dir: str) -> Any:
    """Config of one training: the twin with the ablation's data, length, seed and metrics."""
    (path,) = (ROOT / "configs").rglob(f"{arm.config}.py")
    cfg = read_config(path)
    cfg.merge_from_dict(arm.options)
    data = args.data_root.rstrip("/") + "/"
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = data
    # Systems with further tasks measure these, too, and GPS with both normalisers.
    own = cfg.test_evaluator[0] if isinstance(cfg.test_evaluator, list) else cfg.test_evaluator
    own.pop("normaliser", None)
    own.ann_file = data + "annotations/densepose_val.json"
    evaluators = [own]
    if own.type in POINTWISE:
        pointwise = dict(own, type=POINTWISE[own.type])
        pointwise.pop("metric", None)
        evaluators.append(pointwise)
    cfg.test_evaluator = evaluators
    if args.batch_size:
        cfg.train_dataloader.batch_size = args.batch_size
    cfg.train_cfg.max_iters = args.iterations
    warm_up, cosine = cfg.param_scheduler
    warm_up.end = cosine.begin = max(1, min(warm_up.end, args.iterations // 5))
    cosine.end = args.iterations
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint = None
    cfg.randomness = {"seed": seed}
    cfg.log_level = "WARNING"
    cfg.work_dir = work_dir
    return cfg


def run_here(arm: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """Train and test one arm with one seed in this process."""
    import torch
    from mmengine.runner import Runner

    import mmktn

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work_dir:
        load_from = None
        if ARMS[arm].start:
            first = arm_config(Arm(ARMS[arm].start), seed, args, work_dir)
            first.experiment_name = "start"
            first = Runner.from_cfg(first)
            first.train()
            load_from = str(Path(work_dir, "start.pth"))
            torch.save({"state_dict": first.model.state_dict()}, load_from)
        cfg = arm_config(ARMS[arm], seed, args, work_dir)
        cfg.load_from = load_from
        runner = Runner.from_cfg(cfg)
        begin, cpu_begin = time.perf_counter(), time.process_time()
        runner.train()
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu_begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        metrics = test_in_annotated_boxes(runner)
    return {
        "arm": arm,
        "config": ARMS[arm].config,
        "base": ARMS[arm].base,
        "start": ARMS[arm].start,
        "options": ARMS[arm].options,
        "seed": seed,
        "iterations": args.iterations,
        "data_root": args.data_root.rstrip("/"),
        "batch_size": args.batch_size,
        "parameters": sum(p.numel() for p in runner.model.parameters()),
        "train_seconds": round(seconds, 1),
        "train_cpu_seconds": round(cpu, 1),
        "train_peak_mb": round(peak),
        "metrics": metrics,
        "versions": {"mmktn": mmktn.__version__, "torch": torch.__version__},
    }


def run_child(arm: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """Run one arm in a process of its own; its memory is then its own, too."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "result.json")
        command = [sys.executable, __file__, "--run", arm, str(seed), "--out", str(out)]
        command += ["--iterations", str(args.iterations), "--data-root", args.data_root]
        if args.batch_size:
            command += ["--batch-size", str(args.batch_size)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{arm}, seed {seed} failed:\n{done.stderr[-3000:]}")
        return json.loads(out.read_text())


def run_missing(results: list[dict[str, Any]], args: argparse.Namespace) -> list[str]:
    """Run what is not stored yet, a few processes at a time; store each result at once.

    Returns:
        What went wrong; the other runs go on.
    """
    failed: list[str] = []
    done = {(r["arm"], r["seed"]) for r in results if is_of(r, args)}
    jobs = [(arm, seed) for seed in args.seeds for arm in wanted(args) if (arm, seed) not in done]
    with ThreadPoolExecutor(args.workers) as pool:
        futures = [pool.submit(run_child, arm, seed, args) for arm, seed in jobs]
        for count, future in enumerate(as_completed(futures), 1):
            try:
                result = future.result()
            except RuntimeError as error:
                failed.append(str(error))
                console.print(str(error), style="red", markup=False)
                continue
            results.append(result)
            write_json(args.out, {"results": results}, indent=1)
            key = main_metric(result)
            console.print(
                f"{count}/{len(jobs)} {result['arm']}, seed {result['seed']}: "
                f"{key} {100 * result['metrics'][key]:.1f}, {result['train_seconds']:.0f} s"
            )
    return failed


def main_metric(result: dict[str, Any]) -> str:
    """Key of the metric in which an arm's gain is told."""
    return next(key for key in GAIN_KEYS if key in result["metrics"])


def is_of(result: dict[str, Any], args: argparse.Namespace) -> bool:
    """Whether a stored run has the length, data and batch that are asked for."""
    asked = (args.iterations, args.data_root.rstrip("/"), args.batch_size)
    return (result["iterations"], result["data_root"], result["batch_size"]) == asked


def wanted(args: argparse.Namespace) -> list[str]:
    """Names of the arms to run and show."""
    return args.arms or [name for group in args.groups for name in GROUPS[group]]


def show(results: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """Print mean and sample deviation, and gains over the base with the same seed."""
    runs = {
        arm: sorted((r for r in results if r["arm"] == arm), key=lambda r: r["seed"])
        for arm in wanted(args)
    }
    runs = {arm: found for arm, found in runs.items() if found}
    table = Table(title=f"synthetic people, {args.iterations} iterations, percent")
    measured = {key for found in runs.values() for run in found for key in run["metrics"]}
    columns = {name: key for name, key in COLUMNS.items() if key in measured}
    for column in ("arm", "seeds", *columns, "gain", "M params", "ms / it.", "peak MB"):
        table.add_column(column, justify="left" if column == "arm" else "right")
    for arm, found in runs.items():
        cells = [
            spread([100 * r["metrics"][key] for r in found if key in r["metrics"]])
            for key in columns.values()
        ]
        base = {r["seed"]: r["metrics"] for r in runs.get(ARMS[arm].base, [])}
        key = main_metric(found[0])
        paired = [r for r in found if r["seed"] in base]
        gains = [100 * (r["metrics"][key] - base[r["seed"]][key]) for r in paired]
        speed = statistics.mean(1000 * r["train_cpu_seconds"] / r["iterations"] for r in found)
        table.add_row(
            arm,
            str(len(found)),
            *cells,
            spread(gains),
            f"{found[0]['parameters'] / 1e6:.2f}",
            f"{speed:.0f}",
            f"{statistics.mean(r['train_peak_mb'] for r in found):.0f}",
        )
    console.print(table)
    if args.plot and runs:
        values = {a: [100 * r["metrics"][main_metric(r)] for r in f] for a, f in runs.items()}
        names = dict.fromkeys(main_metric(found[0]) for found in runs.values())
        draw_arms(args.plot, table.title, values, label=f"{', '.join(names)}, percent")


@one_line_errors("densepose_ablation")
def main(argv: list[str] | None = None) -> None:
    """Run what is missing, store, show."""
    args = parse_args(argv)
    if args.run:
        arm, seed = args.run[0], int(args.run[1])
        write_json(args.out, run_here(arm, seed, args))
        return
    results = stored_content(args.out, "results")["results"]
    failed = [] if args.show else run_missing(results, args)
    show([r for r in results if is_of(r, args)], args)
    if failed:
        raise UserError(f"{len(failed)} runs failed, see above")


if __name__ == "__main__":
    sys.exit(main())
