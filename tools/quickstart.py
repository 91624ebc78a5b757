"""The shipped model at work: on pictures, in figures, and as the start of a training.

Usage: python tools/quickstart.py [--photos FOLDER] [--work-dir DIR]
`make quickstart [PHOTOS=folder]` calls this after it has made the environment. Without photos the
model is shown rendered people that it has not seen. Everything is scored on these.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mmktn.utils.output_files import claim_folder, write_json
from mmktn.utils.user_error import UserError, one_line_errors
from mmktn.zoo.table import DEFAULT, find_model

ROOT = Path(__file__).resolve().parents[1]
SEED = 20_000
"""Of the rendered people; no picture of the model's own training has it."""
console = Console()


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--photos", type=Path, help="folder of pictures, or one picture, to look at"
    )
    parser.add_argument("--data", type=Path, default=Path("data/quickstart_people"))
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/quickstart"))
    parser.add_argument("--train-images", type=int, default=16, metavar="N")
    parser.add_argument("--val-images", type=int, default=24, metavar="N")
    parser.add_argument("--iters", type=int, default=40, metavar="N", help="of training, even")
    args = parser.parse_args(argv)
    if args.photos and not args.photos.exists():
        raise UserError(f"--photos {args.photos}: no such folder or picture")
    for name in ("train_images", "val_images", "iters"):
        if getattr(args, name) < 4:
            raise UserError(f"--{name.replace('_', '-')} {getattr(args, name)}: give at least 4")
    return args


class Clock:
    """Says which step runs, and keeps how long each took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step; wall time."""
        console.rule(f"[bold]{len(self.seconds) + 1}/6 {name}[/]")
        start = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - start


def make_data(args: argparse.Namespace) -> None:
    """Render the people unless they are there already."""
    if (args.data / "metadata.json").is_file():
        console.print(f"{args.data} is there already", markup=False)
        return
    command = [sys.executable, str(ROOT / "tools/dataset_converters/make_synthetic.py")]
    command += ["--out", str(args.data), "--seed", str(SEED)]
    command += ["--train", str(args.train_images), "--val", str(args.val_images)]
    if subprocess.run(command, check=False).returncode:
        raise UserError("the people could not be rendered; see above")


def draw(inferencer: Any, photos: Path, out: Path) -> None:
    """Draw what the model finds, one picture a file."""
    for found in inferencer(photos, vis_out_dir=out, overwrite=True):
        text = found.error or f"{len(found)} people"
        console.print(f"{found.name}: {text}", markup=False, highlight=False)


def config_for(args: argparse.Namespace, iters: int, *, resume: bool) -> Any:
    """The shipped model's config on the rendered people."""
    from mmengine.config import Config

    from mmktn.zoo.named_weights import require_config

    cfg = Config.fromfile(str(require_config(find_model(DEFAULT))))
    cfg.work_dir = str(args.work_dir)
    # A visualizer of its own: mmengine would go on with one of the same name, and its folder.
    cfg.experiment_name = f"quickstart_{iters}_{resume}_{time.monotonic_ns()}"
    cfg.visualizer.name = cfg.experiment_name
    cfg.resume = resume
    if resume:
        cfg.load_from = None
    cfg.train_cfg.max_iters = iters
    cosine = cfg.param_scheduler[-1]
    cosine.end = max(args.iters, cosine.begin + 1)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(args.data)
    cfg.test_evaluator.ann_file = str(args.data / "annotations/densepose_val.json")
    cfg.default_hooks.checkpoint.interval = args.iters // 2
    cfg.default_hooks.logger.interval = 1
    cfg.log_level = "WARNING"
    cfg.log_processor.window_size = 1
    return cfg


def train(args: argparse.Namespace, iters: int, *, resume: bool) -> Any:
    """Train up to an iteration, from the shipped weights or from the last checkpoint."""
    from mmengine.runner import Runner

    runner = Runner.from_cfg(config_for(args, iters, resume=resume))
    runner.train()
    return runner


def losses_of(folder: Path) -> list[float]:
    """The loss of every iteration, in order, from the logs of both runs."""
    found: dict[int, float] = {}
    for log in sorted(
        folder.glob("*/vis_data/scalars.json"), key=lambda path: path.stat().st_mtime
    ):
        for line in log.read_text().splitlines():
            entry = json.loads(line)
            if "loss" in entry:
                found[entry["step"]] = entry["loss"]
    return [found[step] for step in sorted(found)]


def report(
    args: argparse.Namespace, clock: Clock, scores: dict[str, dict], losses: list[float]
) -> None:
    """Print scores, losses and times, and write them down."""
    keys = [key for key in scores["shipped"] if key.endswith(("/AP", "/AR"))]
    table = Table(title=f"{args.val_images} rendered pictures that no training saw, percent")
    table.add_column("metric")
    for name in scores:
        table.add_column(name, justify="right")
    for key in keys:
        table.add_row(key, *(f"{100 * found[key]:.1f}" for found in scores.values()))
    console.print(table)
    fifth = max(1, len(losses) // 5)
    first, last = (sum(part) / fifth for part in (losses[:fifth], losses[-fifth:]))
    console.print(
        f"training loss, mean of {fifth} iterations: {first:.2f} at first, {last:.2f} at last"
    )
    times = Table(title=f"{sum(clock.seconds.values()):.0f} s in all")
    times.add_column("step")
    times.add_column("s", justify="right")
    for name, seconds in clock.seconds.items():
        times.add_row(name, f"{seconds:.0f}")
    console.print(times)
    content = {"scores": scores, "losses": losses, "seconds": clock.seconds}
    write_json(args.work_dir / "quickstart.json", content)


@one_line_errors("quickstart")
def main(argv: list[str] | None = None) -> int:
    """Run the six steps."""
    args = parse_args(argv)
    claim_folder(args.work_dir)
    clock = Clock()
    with clock.step("rendered people"):
        make_data(args)
    with clock.step("the shipped model on pictures"):
        from mmengine.runner import Runner

        from mmktn.apis import DensePoseInferencer

        inferencer = DensePoseInferencer()
        pictures = args.work_dir / "pictures"
        draw(inferencer, args.photos or args.data / "val", pictures)
    with clock.step("its score on people that it has not seen"):
        cfg = config_for(args, args.iters, resume=False)
        shipped = Runner.from_cfg(cfg).test()
    for old in args.work_dir.glob("iter_*.pth"):
        old.unlink()
    with clock.step("a short training from its weights, saved half way"):
        train(args, args.iters // 2, resume=False)
    with clock.step("the same resumed"):
        runner = train(args, args.iters, resume=True)
    with clock.step("score of what was trained"):
        trained = runner.test()
    report(
        args,
        clock,
        {"shipped": shipped, "trained": trained},
        losses_of(args.work_dir)[-args.iters :],
    )
    console.print(f"pictures: {pictures}", markup=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
