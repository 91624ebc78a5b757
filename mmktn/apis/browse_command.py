"""Draw what a data set gives: boxes, keypoints, coarse parts, points by chart, U and V.

    python -m mmktn browse CONFIG.py --output-dir out      # after the pipeline
    python -m mmktn browse ANN.json --img-dir DIR --output-dir out

With a config the training pipeline is run, so resizing and flips can be seen; from a JSON file the
images are shown as they are. Pictures are written, no window is opened.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from mmktn.formats.picture_writing import write_image
from mmktn.utils.config_errors import config_errors
from mmktn.utils.config_path import read_config, require_parts
from mmktn.utils.output_files import OVERWRITE_HELP, claim_folder, claim_output
from mmktn.utils.run_arguments import add_config_options
from mmktn.utils.user_error import one_line_errors

PLAIN_PIPELINE = [
    {"type": "mmktn.LoadImageFromFile"},
    {"type": "mmdet.LoadAnnotations", "with_bbox": True},
    {"type": "mmktn.LoadDensePoseAnnotations"},
    {"type": "mmktn.PackDensePoseInputs"},
]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", metavar="CONFIG.py|ANN.json")
    parser.add_argument("--img-dir", help="folder of the images, with a JSON file")
    parser.add_argument("--split", default="train", choices=("train", "val", "test"))
    parser.add_argument("--output-dir", default="work_dirs/browse")
    parser.add_argument("--max-images", type=int, default=20, help="0 for all")
    parser.add_argument("--shuffle", action="store_true", help="random images instead of the first")
    parser.add_argument("--seed", type=int, default=0, help="of the pipeline and of --shuffle")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    add_config_options(parser)
    args = parser.parse_args(argv)
    if args.source.endswith(".json") and args.img_dir is None:
        parser.error("a JSON file needs --img-dir")
    return args


def build_dataset(args: argparse.Namespace) -> Any:
    """Build the data set that the command line names."""
    # Behind the command line: they bring mmdet.
    from mmengine.registry import init_default_scope

    from mmktn.datasets import DensePoseCocoDataset
    from mmktn.registry import DATASETS

    init_default_scope("mmdet")
    if args.source.endswith(".json"):
        return DensePoseCocoDataset(
            ann_file=args.source, data_prefix={"img": args.img_dir}, pipeline=PLAIN_PIPELINE
        )
    config = read_config(args.source, args.cfg_options)
    require_parts(config, f"{args.split}_dataloader")
    with config_errors(config):
        return DATASETS.build(config[f"{args.split}_dataloader"].dataset)


def draw_item(item: dict[str, Any]) -> np.ndarray | None:
    """Return the panels of a packed item, RGB; None if its pipeline loads no annotations."""
    from mmktn.visualization.annotation_drawing import draw_annotations

    people = item["data_samples"].gt_instances
    if "densepose" not in people:
        return None
    image = np.ascontiguousarray(item["inputs"].numpy().transpose(1, 2, 0)[..., ::-1])
    boxes = people.bboxes
    boxes = boxes.tensor if hasattr(boxes, "tensor") else boxes
    return draw_annotations(image, boxes.numpy(), people.densepose)


@one_line_errors("browse")
def main(argv: list[str] | None = None) -> int:
    """Draw; returns the exit status."""
    args = parse_args(argv)
    folder = claim_folder(args.output_dir)
    np.random.seed(args.seed)  # noqa: NPY002  (mmcv's transforms draw from the global generator)
    dataset = build_dataset(args)
    order = list(range(len(dataset)))
    if args.shuffle:
        order = np.random.default_rng(args.seed).permutation(order).tolist()
    if args.max_images > 0:
        order = order[: args.max_images]
    written: set[Path] = set()
    for index in track(order, "drawing", disable=not sys.stderr.isatty()):
        item = dataset[index]
        picture = draw_item(item)
        if picture is None:
            print(
                f"browse: the {args.split} pipeline of {args.source} loads no annotations; "
                "use --split train or give the JSON file",
                file=sys.stderr,
            )
            return 1
        source = Path(item["data_samples"].img_path)
        target = folder / f"{source.stem}.png"
        # A picture that is drawn twice (repeated sets) replaces its own.
        claim_output(target, inputs=[source], overwrite=args.overwrite or target in written)
        write_image(target, picture)
        written.add(target)
    print(f"{len(order)} pictures in {folder}")
    return 0
