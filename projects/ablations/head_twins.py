"""Twins that differ in the dense head alone: charts, charts with confidences, embeddings.

    python projects/ablations/head_twins.py --out FILE.json [--arms ...] [--seeds 0 1 2]
        [--iterations N] [--data-root data/synthetic_easy] [--work-dir FOLDER]

Detector and proposals are those of the shipped model, frozen; decoder, trunk and predictor of the
dense branch start from random weights. As the rest is frozen, its features are computed once: each
picture in some augmented views, the same views for all arms and seeds. Data, optimizer and schedule
are equal. Everybody is tested in the annotated boxes, embeddings as the charts of their vertices:
what is compared is the place on the body. Runs that are stored are not repeated. Each leaves its
config and weights in the work folder, for `python -m mmktn calibrate`.

The arms 'few ...' learn from the true labels of the first --few pictures. Those with a sampler also
learn from the points that `python -m mmktn bootstrap --sampler ...` wrote for all pictures into
DATA_ROOT/annotations/bootstrap_SAMPLER.json, drawn as often as the true ones.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from ablation_report import spread, stored_content, test_in_annotated_boxes
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader

from mmktn.annotation.teacher_points import SAMPLERS
from mmktn.engine.ratio_sampler import RatioSampler
from mmktn.formats.json_files import read_json
from mmktn.models.rcnn.matched_rois import MatchedRoIs, matched_rois
from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations
from mmktn.utils.config_path import read_config
from mmktn.utils.output_files import replace_atomically, write_json
from mmktn.utils.user_error import one_line_errors
from mmktn.zoo.named_weights import weights

CONFIG = (
    Path(__file__).resolve().parents[2]
    / "configs/ktn/ktn2_efficientnet-lite0_fpn_folded_cpu_dp-synth.py"
)
MESH = "human_7151"
TRAINED = ("roi_head.densepose_neck.", "roi_head.densepose_head.")
RATE, DECAY, WARM_UP = 0.002, 0.01, 30


class Arm(NamedTuple):
    """What a twin predicts, how wide its decoder is, and what it learns from."""

    maps: tuple[str, ...] = ()
    embedding: bool = False
    soft: bool = False
    few: bool = False
    sampler: str | None = None
    inner_channels: int | None = None


ARMS = {
    "charts": Arm(),
    "charts, WC1": Arm(("sigma_2",)),
    "charts, WC2": Arm(("sigma_2", "kappa_u", "kappa_v")),
    "CSE": Arm(embedding=True),
    "CSE, soft": Arm(embedding=True, soft=True),
    "charts, narrow decoder": Arm(inner_channels=32),
    "few": Arm(few=True),
} | {f"few, {sampler}": Arm(few=True, sampler=sampler) for sampler in SAMPLERS}
COLUMNS = {
    "GPS AP": "densepose/gps/AP",
    "AP50": "densepose/gps/AP50",
    "GPSm AP": "densepose/gpsm/AP",
    "AUC10": "pointwise/AUC10",
    "AUC30": "pointwise/AUC30",
    "GPS AP of vertices": "vertices/gps/AP",
}


class View(NamedTuple):
    """A picture as the frozen part sees it.

    Attributes:
        levels: (1, C, h, w) float16 each, pyramid levels that the decoder reads.
        rois_xyxy: (N, 4) proposals that learn, network-input pixels.
        persons_xyxy: (N, 4) the person matched to each.
        annotations: That person's annotation.
    """

    levels: tuple[Tensor, ...]
    rois_xyxy: Tensor
    persons_xyxy: Tensor
    annotations: DensePoseAnnotations


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=["charts", "CSE"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, default=900)
    parser.add_argument("--views", type=int, default=4, help="of each picture")
    parser.add_argument("--few", type=int, default=40, help="pictures with true labels")
    parser.add_argument("--data-root", type=Path, default=Path("data/synthetic_easy"))
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/head_twins"))
    parser.add_argument("--out", type=Path, required=True, help="JSON file of all runs")
    parser.add_argument("--minutes", type=float, help="no run begins after so many")
    parser.add_argument("--show", action="store_true", help="only show what is stored")
    args = parser.parse_args(argv)
    if args.iterations < 2:
        parser.error("--iterations must be at least 2: warm-up and cosine take one each")
    return args


def run_config(arm: Arm, args: argparse.Namespace) -> Any:
    """Config of the model of an arm, its training pictures and its test."""
    cfg = read_config(CONFIG)
    head = cfg.model.roi_head.densepose_head
    cfg.model.roi_head.densepose_neck.inner_channels = arm.inner_channels
    head.predictor = {
        "type": "mmktn.ChartPredictor",
        "in_channels": head.trunk.channels,
        "coarse_channels": 2,
        "upscale": 1,
        "with_charts": not arm.embedding,
        "extra_maps": ["embedding"] if arm.embedding else list(arm.maps),
    }
    head.loss = {
        "type": "mmktn.ChartLoss",
        "weights": {"coarse_segm": 5.0},
        "uv_reference_images": 8,
        "half_pixel": True,
    }
    head.decoder = {
        "type": "mmktn.ChartDecoder",
        "mask_source": "coarse_segm",
        "mask_threshold": 0.5,
    }
    if arm.embedding:
        head.embedder = {
            "type": "mmktn.SurfaceEmbedder",
            "meshes": {MESH: {"num_features": 64}},
            "dim": 16,
        }
        head.embedding_loss = {
            "type": "mmktn.EmbeddingLoss",
            "weight": 0.6,
            "soft": arm.soft,
            "embedding_sigma": 0.05,
            "geodesic_sigma": 0.05,
        }
        head.task_decoders = [{"type": "mmktn.VertexDecoder", "class_meshes": MESH}]
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = f"{args.data_root}/"
    for step in cfg.train_dataloader.dataset.pipeline:
        if step.type == "mmktn.LoadDensePoseAnnotations":
            step.update(with_keypoints=False, with_vertices=True)
    truth = f"{args.data_root}/annotations/densepose_val.json"
    own = {"type": "mmktn.DensePoseMetric", "ann_file": truth, "surface": "human"}
    pointwise = own | {"type": "mmktn.PointwiseDensePoseMetric"}
    cfg.test_evaluator = [own | {"metric": ("gps", "gpsm")}, pointwise]
    if arm.embedding:
        metric = {"type": "mmktn.VertexMetric", "ann_file": truth, "people": (MESH,)}
        cfg.test_evaluator.append(metric)
    cfg.load_from = cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint = None
    cfg.log_level = "WARNING"
    cfg.work_dir = str(args.work_dir)
    cfg.experiment_name = f"twin_{time.time_ns()}"
    return cfg


def build(cfg: Any) -> Runner:
    """Runner whose model has the shipped weights but for the dense branch."""
    runner = Runner.from_cfg(cfg)
    runner.model.init_weights()
    start = torch.load(weights("ktn_efficientnet-lite0"), weights_only=True)
    start = start.get("state_dict", start)
    body = {key: value for key, value in start.items() if not key.startswith(TRAINED)}
    absent = runner.model.load_state_dict(body, strict=False)
    assert not absent.unexpected_keys
    assert all(key.startswith(TRAINED) for key in absent.missing_keys)
    return runner


@torch.no_grad()
def make_views(ann_file: str, count: int, args: argparse.Namespace) -> list[View]:
    """Send each picture of an annotation file through the frozen part, `count` times."""
    cfg = run_config(Arm(), args)
    cfg.train_dataloader.dataset.ann_file = ann_file
    cfg.train_dataloader.sampler = {"type": "DefaultSampler", "shuffle": False}
    cfg.randomness = {"seed": 0}
    runner = build(cfg)
    model = runner.model.train()
    loader = runner.build_dataloader(cfg.train_dataloader)
    levels_read = model.roi_head.densepose_neck.num_levels
    views: list[View] = []

    def keep(levels: Any, samplings: Any, truth: Any, *_: Any) -> dict[str, Tensor]:
        learn = model.roi_head._supervised(samplings, truth, model.roi_head.densepose_head)
        found = matched_rois(samplings, truth, learn)
        for image in range(len(truth)):
            own = found[found.rois[:, 0] == image]
            parts = (x[image : image + 1].half() for x in levels[:levels_read])
            views.append(View(tuple(parts), own.rois[:, 1:], own.persons_xyxy, own.annotations))
        return {}

    model.roi_head.branch_losses = keep
    for _ in range(count):
        for data in loader:
            model(**model.data_preprocessor(data, True), mode="loss")
    return views


def stored_views(name: str, count: int, args: argparse.Namespace, *, few: bool) -> list[View]:
    """Views of DATA_ROOT/annotations/NAME.json, or of its first pictures; made once."""
    path = args.work_dir / f"views_{name}_{args.few if few else 'all'}_{count}.pt"
    if not path.is_file():
        source = args.data_root / "annotations" / f"{name}.json"
        ann_file = source.resolve()
        if few:
            content = read_json(source, "training annotations")
            content["images"] = content["images"][: args.few]
            kept = {image["id"] for image in content["images"]}
            content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
            ann_file = (args.work_dir / f"{name}_{args.few}.json").resolve()
            write_json(ann_file, content)
        views = make_views(str(ann_file), count, args)
        with replace_atomically(path) as handle:
            torch.save([plain_view(view) for view in views], handle)
    stored = torch.load(path, weights_only=True)
    return [view._replace(annotations=people(view)) for view in (View(**each) for each in stored)]


def plain_view(view: View) -> dict[str, Any]:
    """Tensors, numbers and text of a view, which are read without running anything."""
    persons = [{f.name: getattr(a, f.name) for f in fields(a)} for a in view.annotations]
    return view._asdict() | {"annotations": persons}


def people(view: View) -> DensePoseAnnotations:
    """Annotations of a view from `plain_view`."""
    return DensePoseAnnotations(DensePoseAnnotation(**each) for each in view.annotations)


def batches(parts: Sequence[list[View]], seed: int, count: int) -> Iterator[list[View]]:
    """`count` batches of 8 views, those of each part equally often."""
    views = ConcatDataset(parts)
    sampler = RatioSampler(views, [1.0] * len(parts), seed=seed)
    loader = DataLoader(views, batch_size=8, sampler=sampler, collate_fn=list, drop_last=True)
    done = epoch = 0
    while True:
        sampler.set_epoch(epoch)
        epoch += 1
        for batch in loader:
            if done == count:
                return
            done += 1
            yield batch


def one_box(view: View) -> View:
    """The view with one of its boxes, drawn at random: more cost more than they teach."""
    some = torch.randperm(len(view.rois_xyxy))[:1]
    return view._replace(
        rois_xyxy=view.rois_xyxy[some],
        persons_xyxy=view.persons_xyxy[some],
        annotations=view.annotations[some],
    )


def train(model: Any, parts: Sequence[list[View]], seed: int, iterations: int) -> None:
    """Train the dense branch on views."""
    trained = [p for key, p in model.named_parameters() if key.startswith(TRAINED)]
    decayed = [p for p in trained if p.ndim > 1]
    plain = [p for p in trained if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, fused=True)
    warm_up = max(1, min(WARM_UP, iterations // 5))
    linear = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=warm_up)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, iterations - warm_up, eta_min=0.02 * RATE
    )
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [linear, cosine], [warm_up])
    head = model.roi_head
    model.train()
    for views in batches(parts, seed, iterations):
        batch = [one_box(view) for view in views]
        levels = tuple(
            torch.cat(each).float() for each in zip(*(v.levels for v in batch), strict=True)
        )
        image = [v.rois_xyxy.new_full((len(v.rois_xyxy), 1), k) for k, v in enumerate(batch)]
        matched = MatchedRoIs(
            rois=torch.cat([torch.cat(image), torch.cat([v.rois_xyxy for v in batch])], dim=1),
            persons_xyxy=torch.cat([v.persons_xyxy for v in batch]),
            annotations=DensePoseAnnotations.cat([v.annotations for v in batch]),
            num_images=len(batch),
        )
        output = head._densepose_forward(head._branch_features(levels), matched.rois)
        losses = matched.loss(head.densepose_head, output)
        optimizer.zero_grad()
        sum(value for key, value in losses.items() if "loss" in key).backward()
        torch.nn.utils.clip_grad_norm_(trained, 10.0)
        optimizer.step()
        schedule.step()


def run(name: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """Train and test an arm with a seed."""
    arm = ARMS[name]
    # Few pictures are seen often: more views of each.
    count = args.views * (4 if arm.few else 1)
    parts = [stored_views("densepose_train", count, args, few=arm.few)]
    if arm.sampler:
        parts.append(stored_views(f"bootstrap_{arm.sampler}", args.views // 2, args, few=False))
    cfg = run_config(arm, args)
    cfg.randomness = {"seed": seed}
    runner = build(cfg)
    begin = time.process_time()
    train(runner.model, parts, seed, args.iterations)
    seconds = time.process_time() - begin
    place = args.work_dir / f"{name.replace(', ', '_').lower()}_{seed}"
    place.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": runner.model.state_dict()}, place / "weights.pth")
    cfg.dump(place / "config.py")
    trained = [p for key, p in runner.model.named_parameters() if key.startswith(TRAINED)]
    return {
        "arm": name,
        "seed": seed,
        **settings_of(name, args),
        "train_cpu_seconds": round(seconds, 1),
        "parameters": sum(p.numel() for p in trained),
        "metrics": test_in_annotated_boxes(runner),
    }


def settings_of(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """What has to agree for a stored run to be one that is asked for."""
    few = args.few if ARMS[name].few else None
    return {"iterations": args.iterations, "views": args.views, "few": few}


def show(results: list[dict[str, Any]]) -> None:
    """Print mean and sample deviation of each arm."""
    table = Table(title="synthetic people, percent, mean +- sample deviation over seeds")
    for column in ("arm", "iterations", "pictures", "seeds", *COLUMNS, "CPU s"):
        table.add_column(column)
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for result in results:
        key = (result["arm"], result["iterations"], result["few"])
        groups.setdefault(key, []).append(result)
    for (name, iterations, few), runs in groups.items():
        cells = [
            spread([100 * each["metrics"][key] for each in runs if key in each["metrics"]])
            for key in COLUMNS.values()
        ]
        seconds = spread([each["train_cpu_seconds"] for each in runs])
        table.add_row(name, str(iterations), str(few or "all"), str(len(runs)), *cells, seconds)
    Console(width=200).print(table)


@one_line_errors("head_twins")
def main(argv: list[str] | None = None) -> None:
    """Run what is missing, store, show."""
    args = parse_args(argv)
    torch.set_num_threads(1)
    args.work_dir.mkdir(parents=True, exist_ok=True)
    results = stored_content(args.out, "results")["results"]
    begin = time.monotonic()
    for seed in args.seeds:
        for name in [] if args.show else args.arms:
            wanted = {"arm": name, "seed": seed, **settings_of(name, args)}
            if any(wanted.items() <= each.items() for each in results):
                continue
            if args.minutes and time.monotonic() - begin > 60 * args.minutes:
                break
            results.append(run(name, seed, args))
            write_json(args.out, {"results": results}, indent=1)
    show(results)


if __name__ == "__main__":
    sys.exit(main())
