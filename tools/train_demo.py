"""From nothing to a trained KTN v2: synthetic data, training, GPS AP before and after, pictures.

Usage: python tools/train_demo.py [--config CONFIG] [--data DIR] [--work-dir DIR]
`make train-demo` calls this after it has made the environment.

The people of its data set are easier than those of `make_synthetic.py` without options: one or two
in a picture, turned to the camera, seldom behind an object. Minutes of training from random weights
do not reach further; `--hard` takes the default scenes.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mmktn.utils.config_path import read_config, require_config, require_parts
from mmktn.utils.output_files import claim_folder, write_json
from mmktn.utils.user_error import UserError, one_line_errors

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "configs/densepose/ktn2_r18_fpn_cpu_dp-synth.py"
EASY_SCENES = ("--people", "1", "2", "--max-yaw", "75", "--occluder-rate", "0.1")
console = Console()


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default=str(ROOT / CONFIG))
    parser.add_argument(
        "--data", default="data/synthetic_quickstart", help="synthetic set, made if missing"
    )
    parser.add_argument("--hard", action="store_true", help="the generator's default scenes")
    parser.add_argument("--work-dir", default="work_dirs/train_demo")
    parser.add_argument("--train-images", type=int, default=600)
    parser.add_argument("--val-images", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def make_data(args: argparse.Namespace) -> None:
    """Render the synthetic set unless it is there already."""
    if (Path(args.data) / "metadata.json").is_file():
        console.print(f"data {args.data} is there already", markup=False)
        return
    script = ROOT / "tools/dataset_converters/make_synthetic.py"
    command = [sys.executable, str(script), "--out", args.data]
    command += ["--train", str(args.train_images), "--val", str(args.val_images)]
    command += ["--seed", str(args.seed), *(() if args.hard else EASY_SCENES)]
    if subprocess.run(command).returncode:
        raise UserError(f"{args.data}: the synthetic people could not be made, see above")


@one_line_errors("train_demo")
def main(argv: list[str] | None = None) -> None:
    """Make data, train, score, draw."""
    args = parse_args(argv)
    require_config(args.config)
    claim_folder(args.work_dir)
    start = time.monotonic()

    def step(text: str) -> None:
        console.rule(f"[bold]{text}[/]  ({time.monotonic() - start:.0f} s so far)")

    step("1/5 synthetic people")
    make_data(args)

    step("2/5 geodesic distances of the body template (computed once, then cached)")
    from mmktn.surface import load_surface

    console.print(f"distances between {load_surface('human').geodesics.num_vertices} vertices")

    from mmengine.runner import Runner

    cfg = read_config(args.config)
    require_parts(cfg, "train_dataloader", "val_dataloader", "test_dataloader")
    cfg.work_dir = args.work_dir
    cfg.randomness = {"seed": args.seed}
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = args.data
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.ann_file = str(Path(args.data) / "annotations/densepose_val.json")
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None

    step("3/5 score of the untrained model on held-out images")
    runner = Runner.from_cfg(cfg)
    untrained = runner.test()

    step("4/5 training")
    runner.train()

    step("5/5 score of the trained model, and pictures")
    trained = runner.test()
    picture = draw_overview(runner, Path(args.work_dir) / "predictions.png")

    table = Table(
        title=f"{Path(args.config).stem} on {args.val_images} held-out synthetic images, percent"
    )
    for column in ("metric", "untrained", "trained"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for key in trained:
        table.add_row(key, *(percent(scores.get(key)) for scores in (untrained, trained)))
    console.print(table)
    summary = {"untrained": untrained, "trained": trained, "seconds": time.monotonic() - start}
    write_json(Path(args.work_dir, "train_demo.json"), summary, indent=1)
    console.print(f"predictions on held-out images: {picture}", markup=False)
    console.print(f"everything took {summary['seconds']:.0f} s")


def percent(score: float | None) -> str:
    """Write a fraction in percent; -1 means that there was nothing to score."""
    return "-" if score is None or score < 0 else f"{100 * score:.1f}"


def draw_overview(runner: object, path: Path, num_images: int = 6) -> Path:
    """Draw truth and predictions of the first held-out images, one row per image."""
    import cv2
    import numpy as np

    from mmktn.apis import DensePoseInferencer
    from mmktn.formats.dense_truth import UV_STEPS, read_dense_truth
    from mmktn.visualization import ChartCanvas, make_overview, render_preset, write_image

    dataset = runner.test_dataloader.dataset
    files = [dataset.get_data_info(i)["img_path"] for i in range(min(num_images, len(dataset)))]
    model = runner.model.eval()
    model.cfg = runner.cfg
    rows = []
    for file, prediction in zip(files, DensePoseInferencer(model)(files), strict=True):
        image = cv2.imread(file, cv2.IMREAD_COLOR)[..., ::-1].copy()
        folder = Path(file).parent
        path = folder.parent / "dense" / folder.name / f"{Path(file).stem}.npz"
        names = ("instance", "chart", "u", "v")
        dense = read_dense_truth(path, image.shape[:2], names, what="dense truth")
        uv = [(dense[name].astype(np.int64) * 255 // UV_STEPS).astype(np.uint8) for name in "uv"]
        canvas = ChartCanvas(np.stack([dense["chart"], *uv]), dense["instance"])
        truth = render_preset(canvas, "overlay", image=image)
        rows.append([truth, *prediction.panels(image)])
    titles = ["true charts", "found people", "charts I", "U", "V"]
    return write_image(path, make_overview(rows, titles=titles))


if __name__ == "__main__":
    sys.exit(main())
