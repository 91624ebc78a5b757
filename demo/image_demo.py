"""Dense pose of pictures: boxes, chart map, U and V side by side, one picture per image.

Usage: python demo/image_demo.py IMAGE_OR_FOLDER... (CONFIG CHECKPOINT | --model NAME)
           [--out-dir DIR] [--save ...] [--detector CONFIG CHECKPOINT | --boxes FILE] [--overwrite]

Without config and --model the model that comes with mmktn is taken.

Top-down configs (configs/topdown) need --detector, or --boxes with a JSON file that gives each
image's file name its boxes [[x1, y1, x2, y2], ...] in pixels.

Every image is worked on even if another one is broken; exit status 1 says that one was skipped
(mmktn/apis/picture_command.py). No file that exists is written over without --overwrite, no input
ever.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mmktn import apis
from mmktn.apis.image_inputs import ImageInput, list_inputs
from mmktn.apis.picture_command import (
    SAVE_FORMATS,
    Outcome,
    add_model_arguments,
    add_picture_arguments,
    read_model_arguments,
    report_pictures,
)
from mmktn.utils.user_error import UserError, one_line_errors
from mmktn.visualization import PRESETS
from mmktn.zoo.table import DEFAULT


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_model_arguments(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--detector",
        nargs=2,
        metavar=("CONFIG", "CHECKPOINT"),
        help="finds the people for top-down configs",
    )
    where.add_argument("--boxes", help="JSON file: image file name -> [[x1, y1, x2, y2], ...]")
    parser.add_argument("--score-thr", type=float, default=0.3, help="leave out people at or below")
    parser.add_argument("--batch-size", type=int, default=1, help="images per forward pass")
    parser.add_argument("--preset", default="overlay", choices=sorted(PRESETS), help="look of maps")
    parser.add_argument(
        "--save",
        nargs="+",
        default=[],
        choices=SAVE_FORMATS,
        help="also write: official JSON, npz, IUV and instance PNGs, the bare chart map, the "
        "confidence as a heat map",
    )
    parser.add_argument(
        "--min-confidence",
        type=float,
        default=0.0,
        help="pixels below are neither painted nor written as IUV (0 to 1; docs/confidence.md)",
    )
    parser.add_argument(
        "--iuv-order",
        default="VUI",
        choices=["VUI", "IUV"],
        help="what an RGB reader of the IUV file gets; VUI is Detectron1's file",
    )
    add_picture_arguments(parser, out_dir="outputs")
    args = parser.parse_args(argv)
    read_model_arguments(parser, args, default=DEFAULT)
    return args


def with_boxes(
    images: Sequence[ImageInput], path: str | None
) -> tuple[list[ImageInput], list[np.ndarray] | None, list[Outcome]]:
    """Images that have boxes, the boxes (None: to be detected), and a word on the others."""
    if path is None:
        return list(images), None, []
    source = apis.NamedBoxes(path)
    kept, boxes, skipped = [], [], []
    for image in images:
        try:
            boxes.append(source.of(image))
            kept.append(image)
        except UserError as error:  # noqa: PERF203 (one bad entry does not stop the others)
            skipped.append(Outcome(image.name, str(error), failed=True))
    return kept, boxes, skipped


def describe(prediction: apis.ImagePrediction, args: argparse.Namespace) -> Outcome:
    """One line on one image."""
    if prediction.error is not None:
        return Outcome(prediction.name, prediction.error, failed=True)
    people = len(prediction)
    written = Path(args.out_dir) / apis.drawn_name(prediction.name)
    if people == 0:
        text = f"nobody found above score {args.score_thr:g} -> {written}"
    else:
        noun = "person" if people == 1 else "people"
        text = f"{people} {noun}, best score {prediction.scores[0]:.2f} -> {written}"
    return Outcome(prediction.name, text)


def outcomes(args: argparse.Namespace, images: Sequence[ImageInput]) -> Iterator[Outcome]:
    """Work on all images; nothing is loaded if there is nothing to do."""
    detectable, boxes, skipped = with_boxes(images, args.boxes)
    output = {
        "vis_out_dir": args.out_dir,
        "pred_out_dir": args.out_dir if args.save else None,
        "save": args.save,
        "preset": args.preset,
        "overwrite": args.overwrite,
    }
    read = [args.config, args.checkpoint or args.config, *(args.detector or [])]
    read += [] if args.boxes is None else [args.boxes]
    apis.claim_prediction_files(images, inputs=read, **output)
    yield from skipped
    if not detectable:
        return
    detector, detector_checkpoint = args.detector or (None, None)
    inferencer = apis.open_inferencer(
        args.config,
        args.checkpoint,
        detector=detector,
        detector_checkpoint=detector_checkpoint,
        device=args.device,
        cfg_options=args.cfg_options,
    )
    if getattr(inferencer, "detector", inferencer) is None and boxes is None:
        raise UserError(f"{args.config} is a top-down config: give --detector or --boxes")
    for prediction in inferencer.stream(
        detectable,
        batch_size=args.batch_size,
        score_thr=args.score_thr,
        boxes=boxes,
        iuv_order=args.iuv_order,
        min_confidence=args.min_confidence,
        max_pixels=args.max_pixels,
        **output,
    ):
        yield describe(prediction, args)


@one_line_errors("image_demo")
def main(argv: list[str] | None = None) -> int:
    """Run the demo; returns the exit status."""
    args = parse_args(argv)
    images = list_inputs(args.images)
    return report_pictures(len(images), outcomes(args, images))


if __name__ == "__main__":
    raise SystemExit(main())
