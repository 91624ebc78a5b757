"""Write dense labels of persons: a teacher's, or the truth of the synthetic set.

    python -m mmktn label TEACHER.py CHECKPOINT.pth --out DIR
    python -m mmktn label --from-truth DENSE_DIR \
        --ann-file ANN.json --out DIR

The teacher labels the persons of its config's training files, through the pipeline that it is
tested with, averaged over three scales and flips. docs/distillation.md describes the folder.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, init_default_scope
from rich.progress import track
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset

from mmktn.apis import load_model
from mmktn.apis.test_pipeline import find_test_pipeline
from mmktn.datasets.dense_truth import read_truth
from mmktn.formats.dense_labels import DenseLabelWriter, claim_labels
from mmktn.utils.setup_env import register_all_modules
from mmktn.utils.user_error import UserError, one_line_errors


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", nargs="?", help="config of the teacher")
    parser.add_argument("checkpoint", nargs="?", help="its weights")
    parser.add_argument("--out", required=True, help="folder to write, new")
    parser.add_argument("--split", choices=("train", "val"), default="train")
    parser.add_argument(
        "--scales", type=float, nargs="+", default=(0.75, 1.0, 1.25), help="averaged over"
    )
    parser.add_argument("--no-flip", action="store_true", help="do not average over flips")
    parser.add_argument("--all-persons", action="store_true",
                        help="also label persons without annotated points")  # fmt: skip
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", help="default: the GPU if there is one")
    parser.add_argument("--max-persons", type=int, default=0, help="0 for all")
    parser.add_argument("--from-truth", metavar="DENSE_DIR", help="label with the synthetic truth")
    parser.add_argument("--ann-file", help="annotation file, with --from-truth")
    args = parser.parse_args(argv)
    if args.from_truth is not None and args.ann_file is None:
        parser.error("--from-truth needs --ann-file")
    if args.from_truth is None and args.checkpoint is None:
        parser.error("give CONFIG and CHECKPOINT, or --from-truth")
    return args


def person_datasets(cfg: Config, split: str, *, all_persons: bool) -> list[Any]:
    """Data sets of single persons over the files of a split, with the test pipeline."""
    files = cfg[f"{split}_dataloader"].dataset
    pipeline = find_test_pipeline(cfg)
    built = []
    for part in files.get("datasets", [files]):
        config = ConfigDict(part)
        config.update(type="mmktn.DensePosePersonDataset", pipeline=pipeline, test_mode=True)
        config.update(only_densepose_images=not all_persons)
        built.append(DATASETS.build(config))
    return built


def label_with_teacher(args: argparse.Namespace) -> int:
    """Label the persons of a split; returns their number."""
    bad = [scale for scale in args.scales if not 0.1 <= scale <= 4]
    if bad or args.batch_size < 1:
        wrong = f"--scales {bad[0]:g}: 0.1 to 4 are" if bad else "--batch-size: 1 or more is"
        raise UserError(f"{wrong} possible")
    claim_labels(args.out)
    register_all_modules(init_default_scope=False)
    model = load_model(args.config, args.checkpoint, device=args.device)
    cfg = model.cfg
    init_default_scope(cfg.get("default_scope", "mmdet"))
    if not hasattr(model, "label_persons"):
        raise UserError(
            f"{args.config}: a {type(model).__name__} labels no persons; give the config of a "
            "teacher (configs/fcn)"
        )
    model.test_cfg.update(
        scales=tuple(args.scales),
        flip=not args.no_flip,
        surface=cfg.get("surface", "human"),
    )
    datasets = person_datasets(cfg, args.split, all_persons=args.all_persons)
    source = {
        "config": Path(args.config).name,
        "checkpoint": Path(args.checkpoint).name,
        "annotation_files": [Path(dataset.ann_file).name for dataset in datasets],
        "scales": list(args.scales),
        "flip": not args.no_flip,
    }
    writer, done = DenseLabelWriter(args.out, source), 0
    persons: Dataset = ConcatDataset(datasets)
    if args.max_persons:
        count = sum(map(len, datasets))
        persons = Subset(persons, range(min(args.max_persons, count)))
    loader = DataLoader(
        persons, args.batch_size, num_workers=args.workers, collate_fn=pseudo_collate
    )
    for batch in track(loader, "labelling", disable=not sys.stderr.isatty()):
        with torch.no_grad():
            data = model.data_preprocessor(batch, training=False)
            labels = model.label_persons(data["inputs"], data["data_samples"])
        for sample, found in zip(data["data_samples"], labels, strict=True):
            writer.add(
                sample.ann_id, found.numpy(),
                image_id=sample.img_id, box_xyxy=sample.person_box,
            )  # fmt: skip
            done += 1
    writer.close()
    return done


def label_with_truth(args: argparse.Namespace) -> int:
    """Write the truth of a synthetic split; returns the number of persons."""
    source = {"truth": Path(args.from_truth).name, "annotation_files": [Path(args.ann_file).name]}
    writer, done = DenseLabelWriter(args.out, source), 0
    for record, labels in read_truth(args.ann_file, args.from_truth):
        x, y, w, h = record["bbox"]
        writer.add(record["id"], labels, image_id=record["image_id"], box_xyxy=(x, y, x + w, y + h))
        done += 1
        if done == args.max_persons:
            break
    writer.close()
    return done


@one_line_errors("label")
def main(argv: list[str] | None = None) -> int:
    """Write; returns the exit status."""
    args = parse_args(argv)
    done = label_with_teacher(args) if args.from_truth is None else label_with_truth(args)
    print(f"dense labels of {done} persons in {args.out}")
    return 0
