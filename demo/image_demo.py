"""Dense pose of pictures: boxes, chart map, U and V side by side, one picture an image.

Usage: python demo/image_demo.py IMAGE_OR_FOLDER... CONFIG CHECKPOINT [--out-dir DIR] [--save ...]

Every image is worked on even if another one is broken. Exit status: 0 if at least one image was
read (also when nobody was found in it), 1 if none was, or if config or checkpoint are unusable, 2
for a wrong command line.
"""

import argparse
import sys
from pathlib import Path

from mmengine.config import DictAction

from mmktn.apis import DensePoseInferencer
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
        total = len(list_inputs(args.images))
        inferencer = DensePoseInferencer(
            args.config, args.checkpoint, device=args.device, cfg_options=args.cfg_options
        )
    except (FileNotFoundError, ValueError) as error:
        print(f"image_demo: {error}", file=sys.stderr)
        return 1
    predictions = inferencer(
        args.images,
        batch_size=args.batch_size,
        score_thr=args.score_thr,
        preset=args.preset,
        vis_out_dir=args.out_dir,
        pred_out_dir=args.out_dir if args.save else None,
        save=args.save,
        iuv_order=args.iuv_order,
    )
    broken = 0
    for index, prediction in enumerate(predictions, start=1):
        broken += prediction.error is not None
        print(f"[{index}/{total}] {describe(prediction, args)}", flush=True)
    if broken:
        print(f"{broken} of {total} images could not be read", file=sys.stderr)
    return 1 if broken == total else 0


if __name__ == "__main__":
    raise SystemExit(main())
