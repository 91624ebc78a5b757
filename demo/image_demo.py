"""Dense pose of pictures: boxes, chart map, U and V side by side, one picture an image.

Usage: python demo/image_demo.py IMAGE_OR_FOLDER... CONFIG CHECKPOINT [--out-dir DIR] [--save ...]
                                 [--detector CONFIG CHECKPOINT | --boxes FILE]

Top-down configs (configs/topdown) need --detector, or --boxes with a JSON file that gives each
image's file name its boxes [[x1, y1, x2, y2], ...] in pixels.

Every image is worked on even if another one is broken. Exit status: 0 if at least one image was
read (also when nobody was found in it), 1 if none was, or if config or checkpoint are unusable, 2
for a wrong command line.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import DictAction

from mmktn.apis import open_inferencer
from mmktn.apis.image_inputs import list_inputs
from mmktn.apis.prediction import SAVE_FORMATS, ImagePrediction
from mmktn.visualization import PRESETS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="+", help="image files and folders of images")
    parser.add_argument(
        "config", help="config file, or mmktn::folder/name.py of an installed mmktn"
    )
    parser.add_argument("checkpoint", help="checkpoint file")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--detector",
        nargs=2,
        metavar=("CONFIG", "CHECKPOINT"),
        help="finds the people for top-down configs",
    )
    where.add_argument("--boxes", help="JSON file: image file name -> [[x1, y1, x2, y2], ...]")
    parser.add_argument("--out-dir", default="outputs", help="where pictures go (default: outputs)")
    parser.add_argument("--device", help="cpu, cuda:0, ...; default: the GPU if there is one")
    parser.add_argument("--score-thr", type=float, default=0.3, help="leave out people at or below")
    parser.add_argument("--batch-size", type=int, default=1, help="images a forward pass")
    parser.add_argument("--preset", default="overlay", choices=sorted(PRESETS), help="look of maps")
    parser.add_argument(
        "--save",
        nargs="+",
        default=[],
        choices=SAVE_FORMATS,
        help="also write: official JSON, npz, IUV and instance PNGs, the bare chart map",
    )
    parser.add_argument(
        "--iuv-order",
        default="VUI",
        choices=["VUI", "IUV"],
        help="what an RGB reader of the IUV file gets; VUI is Detectron1's file",
    )
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, help="override config keys: key=value ..."
    )
    return parser.parse_args(argv)


def read_boxes(path: str, names: Sequence[str]) -> list[np.ndarray]:
    """Boxes of each image.

    Args:
        path: JSON file, image file name -> list of boxes x1, y1, x2, y2.
        names: File names of the images, in order.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not such a file, or an image is missing in it.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"--boxes: no file {path}")
    try:
        boxes = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"--boxes: {path} is no JSON file ({error})") from error
    found = []
    for name in names:
        if not isinstance(boxes, dict) or name not in boxes:
            raise ValueError(f"--boxes: {path} has no entry {name!r}")
        try:
            found.append(np.array(boxes[name], dtype=np.float32).reshape(-1, 4))
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"--boxes: {path}, {name!r}: not a list of four numbers each"
            ) from error
    return found


def describe(prediction: ImagePrediction, args: argparse.Namespace) -> str:
    """One line on one image."""
    if prediction.error is not None:
        return f"{prediction.name}: skipped, {prediction.error}"
    people = len(prediction)
    written = Path(args.out_dir) / prediction.name
    if people == 0:
        return f"{prediction.name}: nobody found above score {args.score_thr:g} -> {written}"
    noun = "person" if people == 1 else "people"
    return f"{prediction.name}: {people} {noun}, best score {prediction.scores[0]:.2f} -> {written}"


def main(argv: list[str] | None = None) -> int:
    """Run the demo; returns the exit status."""
    args = parse_args(argv)
    try:
        images = list_inputs(args.images)
        total = len(images)
        boxes = None if args.boxes is None else read_boxes(args.boxes, [i.name for i in images])
        detector, detector_checkpoint = args.detector or (None, None)
        inferencer = open_inferencer(
            args.config,
            args.checkpoint,
            detector=detector,
            detector_checkpoint=detector_checkpoint,
            device=args.device,
            cfg_options=args.cfg_options,
        )
        if getattr(inferencer, "detector", inferencer) is None and boxes is None:
            raise ValueError(f"{args.config} is a top-down config: give --detector or --boxes")
    except (FileNotFoundError, ValueError) as error:
        print(f"image_demo: {error}", file=sys.stderr)
        return 1
    broken = 0
    try:
        predictions = inferencer(
            args.images,
            batch_size=args.batch_size,
            score_thr=args.score_thr,
            boxes=boxes,
            preset=args.preset,
            vis_out_dir=args.out_dir,
            pred_out_dir=args.out_dir if args.save else None,
            save=args.save,
            iuv_order=args.iuv_order,
        )
        for index, prediction in enumerate(predictions, start=1):
            broken += prediction.error is not None
            print(f"[{index}/{total}] {describe(prediction, args)}", flush=True)
    except (KeyError, ValueError) as error:
        # What a config asks for and a picture alone cannot give, or a system without charts.
        text = error.args[0] if isinstance(error, KeyError) else error
        print(f"image_demo: {args.config}: {text}", file=sys.stderr)
        return 1
    if broken:
        print(f"{broken} of {total} images could not be read", file=sys.stderr)
    return 1 if broken == total else 0


if __name__ == "__main__":
    raise SystemExit(main())
