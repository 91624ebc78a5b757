"""Distillation on synthetic people: the teacher's error, and what its labels bring a student.

    python projects/ablations/distillation_experiment.py [--seeds 0 1 2] [--images N]
        [--student CONFIG] [--points-per-chart N]

Trains the teacher, writes its labels and the true ones, measures the former against the latter, and
trains a student with points only ('points'), with the teacher's labels ('teacher') and with the
truth ('truth'): same data, schedule and seeds. Students are tested in the annotated boxes: what is
compared is charts, not detectors. What is done already in --work-dir is kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from ablation_report import spread, stored_content, test_in_annotated_boxes
from dense_label_errors import measure, report
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

import mmktn
from mmktn.apis.label_command import label_with_teacher, label_with_truth
from mmktn.formats.dense_labels import INDEX, DenseLabelFolder
from mmktn.formats.json_files import read_json
from mmktn.surface import load_surface
from mmktn.utils.config_path import read_config
from mmktn.utils.output_files import write_json
from mmktn.utils.user_error import UserError, one_line_errors

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
TEACHER = CONFIGS / "fcn/dp-fcn-teacher_r18_cpu_dp-synth.py"
STUDENT = CONFIGS / "densepose/ktn2_r18_fpn_cpu_dp-synth.py"
ARMS = ("points", "teacher", "truth")
COLUMNS = {
    "GPS AP": "densepose/gps/AP",
    "GPS AP50": "densepose/gps/AP50",
    "GPSm AP": "densepose/gpsm/AP",
    "AUC10": "pointwise/AUC10",
    "AUC30": "pointwise/AUC30",
    "IoU": "pointwise/IoU",
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--student", type=Path, default=STUDENT, help="config of a RoI system")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=0, help="training images; 0 for all")
    parser.add_argument("--teacher-iters", type=int, help="default: the config's")
    parser.add_argument("--student-iters", type=int, help="default: the config's")
    parser.add_argument(
        "--points-per-chart", type=int, help="labels that train a chart of a person; default: all"
    )
    parser.add_argument("--data-root", default="data/synthetic_densepose/")
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/distillation"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scales", type=float, nargs="+", default=(0.75, 1.0, 1.25))
    parser.add_argument("--no-flip", action="store_true")
    return parser.parse_args(argv)


def training_file(args: argparse.Namespace) -> Path:
    """Annotation file of the training images, cut to the first ones if asked for."""
    path = Path(args.data_root, "annotations/densepose_train.json").resolve()
    if not args.images:
        return path
    content = read_json(path, "training annotations")
    content["images"] = content["images"][: args.images]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    cut = args.work_dir.resolve() / f"train_{args.images}.json"
    write_json(cut, content)
    return cut


def run_config(path: Path, name: str, *, seed: int, iters: int | None, ann: Path, args: Any) -> Any:
    """Config of one training."""
    cfg = read_config(path)
    root = args.data_root.rstrip("/") + "/"
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = root
    cfg.train_dataloader.dataset.ann_file = str(ann)
    if isinstance(cfg.test_evaluator, list):
        cfg.test_evaluator = cfg.test_evaluator[0]  # charts; further tasks are not compared
    cfg.test_evaluator.ann_file = root + "annotations/densepose_val.json"
    if iters:
        cfg.train_cfg.max_iters = cfg.train_cfg.val_interval = iters
        cfg.param_scheduler[0].end = cfg.param_scheduler[1].begin = min(50, iters // 4)
        cfg.param_scheduler[1].end = iters
    cfg.default_hooks.checkpoint.interval = cfg.train_cfg.max_iters
    cfg.randomness = {"seed": seed}
    cfg.log_level = "WARNING"
    cfg.experiment_name = f"{name}_{time.time_ns()}"
    cfg.work_dir = str(args.work_dir / name)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    return cfg


def train_teacher(ann: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Train the teacher, test it with true outlines, write its labels and measure them."""
    cfg = run_config(TEACHER, "teacher_net", seed=0, iters=args.teacher_iters, ann=ann, args=args)
    folder = Path(cfg.work_dir)
    checkpoint = folder / f"iter_{cfg.train_cfg.max_iters}.pth"
    entry: dict[str, Any] = {"iterations": cfg.train_cfg.max_iters}
    # Written last, so a teacher that was interrupted starts anew.
    if not (checkpoint.is_file() and (folder / "entry.json").is_file()):
        runner = Runner.from_cfg(cfg)
        start = time.process_time()
        runner.train()
        entry["train_cpu_seconds"] = round(time.process_time() - start, 1)
        entry["oracle"] = runner.test()
        cfg = read_config(TEACHER)
        cfg.train_dataloader.dataset.update(ann_file=str(ann), data_root=args.data_root)
        cfg.dump(str(folder / "labelling.py"))
        write_json(folder / "entry.json", entry)
    entry = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
    truth, labels = args.work_dir / "labels_truth", args.work_dir / "labels_teacher"
    if not (truth / INDEX).is_file():
        dense = Path(args.data_root) / "dense/train"
        label_with_truth(
            argparse.Namespace(from_truth=dense, ann_file=ann, out=truth, max_persons=0)
        )
    if not (labels / INDEX).is_file():
        label_with_teacher(
            argparse.Namespace(
                config=str(folder / "labelling.py"), checkpoint=str(checkpoint), out=labels,
                split="train", scales=args.scales, no_flip=args.no_flip, all_persons=False,
                batch_size=8, workers=0, device=None, max_persons=0,
            )
        )  # fmt: skip
    surface = load_surface("human")
    entry["labels"] = measure(DenseLabelFolder(labels), DenseLabelFolder(truth), surface=surface)
    return entry


def train_student(arm: str, seed: int, ann: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Train and test one student."""
    name = f"{arm}_{seed}"
    cfg = run_config(args.student, name, seed=seed, iters=args.student_iters, ann=ann, args=args)
    if arm != "points":
        cfg.train_dataloader.dataset.dense_labels = str(args.work_dir / f"labels_{arm}")
        if args.points_per_chart:
            head = cfg.model.get("roi_head", {}).get("densepose_head") or cfg.model.head
            head.loss.dense_points_per_chart = args.points_per_chart
    pointwise = {"type": "mmktn.PointwiseDensePoseMetric", "ann_file": cfg.test_evaluator.ann_file}
    cfg.test_evaluator = [cfg.test_evaluator, pointwise]
    runner = Runner.from_cfg(cfg)
    start = time.process_time()
    runner.train()
    seconds = round(time.process_time() - start, 1)
    return {"arm": arm, "seed": seed, "iterations": runner.iter, "train_cpu_seconds": seconds,
            "metrics": test_in_annotated_boxes(runner)}  # fmt: skip


def show(stored: dict[str, Any]) -> None:
    """Print the teacher's error, and mean and deviation of the students over seeds."""
    console = Console(width=160)
    if "teacher" in stored:
        console.print("Teacher's labels against the truth")
        console.print(report(stored["teacher"]["labels"]), highlight=False)
    table = Table(title="students, mean +- sample deviation over seeds, percent")
    for column in ("arm", "seeds", *COLUMNS, "CPU s"):
        table.add_column(column)
    for arm in dict.fromkeys(run["arm"] for run in stored["students"]):
        runs = [run for run in stored["students"] if run["arm"] == arm]
        cells = [spread([100 * run["metrics"][key] for run in runs]) for key in COLUMNS.values()]
        seconds = sum(run["train_cpu_seconds"] for run in runs) / len(runs)
        table.add_row(arm, str(len(runs)), *cells, f"{seconds:.0f}")
    console.print(table)


@one_line_errors("distillation_experiment")
def main(argv: list[str] | None = None) -> None:
    """Run what is missing, store, show."""
    args = parse_args(argv)
    torch.set_num_threads(args.threads)
    args.work_dir.mkdir(parents=True, exist_ok=True)
    path = args.work_dir / "results.json"
    stored = stored_content(path, "students")
    settings = {
        "student": args.student.stem,
        "images": args.images,
        "data_root": args.data_root.rstrip("/"),
        "teacher_iters": args.teacher_iters,
        "student_iters": args.student_iters,
        "views": [list(args.scales), not args.no_flip],
        "points_per_chart": args.points_per_chart,
    }
    # Files of before this option are of its default.
    if {"points_per_chart": None, **stored.setdefault("settings", settings)} != settings:
        raise UserError(
            f"{path} was made with {stored['settings']}, asked for is {settings}: give another "
            "--work-dir, or the same settings to go on"
        )
    stored |= {"mmktn": mmktn.__version__, "torch": torch.__version__}
    write_json(path, stored, indent=1)
    ann = training_file(args)
    if {"teacher", "truth"} & set(args.arms):
        stored["teacher"] = train_teacher(ann, args)
        write_json(path, stored, indent=1)
    for seed in args.seeds:
        for arm in args.arms:
            if any((run["arm"], run["seed"]) == (arm, seed) for run in stored["students"]):
                continue
            stored["students"].append(train_student(arm, seed, ann, args))
            write_json(path, stored, indent=1)
    show(stored)


if __name__ == "__main__":
    sys.exit(main())
