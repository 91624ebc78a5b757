"""`python -m mmktn predict`: dense pose of many pictures, resumable, on any number of processes.

Memory does not grow with the number of pictures: a few are read ahead by threads, a batch is
predicted, its files are written, and a line of `done.jsonl` says so. A later run of the same
command leaves out what is finished: the same content, with the same model and settings, its files
in place. What could not be worked on stands in `failures.jsonl`, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmktn import apis
from mmktn.apis.image_inputs import ImageInput
from mmktn.apis.picture_command import SAVE_FORMATS, add_picture_arguments, positive
from mmktn.apis.picture_predictor import PicturePredictor
from mmktn.apis.picture_stream import StreamedPicture, check_inputs, stream_pictures
from mmktn.apis.run_record import RunRecord
from mmktn.utils.config_path import resolve_config
from mmktn.utils.output_files import DiskFullError, claim_folder, claim_outputs
from mmktn.utils.partial_download import sha256_of
from mmktn.utils.user_error import UserError, one_line, one_line_errors
from mmktn.version import __version__
from mmktn.visualization import PRESETS
from mmktn.zoo.named_weights import resolve_names
from mmktn.zoo.table import DEFAULT

# Variables in which a launcher tells number of the process, of all, and of those of the machine.
_LAUNCHERS = {
    "pytorch": ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "slurm": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
}
_LINES_EVERY = 100


@dataclass(frozen=True)
class _Read:
    """A picture that was read, or why it was not.

    Attributes:
        picture: The picture.
        digest: SHA-256 of its file.
        image: Pixels (H, W, 3) BGR; None where it is finished or cannot be read.
        error: Why it cannot be read.
    """

    picture: StreamedPicture
    digest: str = ""
    image: np.ndarray | None = None
    error: str | None = None


@dataclass
class _Counts:
    """How many pictures were worked on, left out and not read."""

    made: int = 0
    kept: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return f"{self.made} predicted, {self.kept} were finished before, {self.failed} failed"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn predict",
        description="Predict dense pose for many pictures; a later run goes on where it stopped.",
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="pictures, folders (with those in them), patterns ('**' goes into folders), lists of "
        "paths (.txt), tar archives",
    )
    parser.add_argument("--model", default=DEFAULT, help="published model, or a config")
    parser.add_argument("--checkpoint", help="weights, for a config")
    parser.add_argument(
        "--runtime",
        default="torch",
        choices=["torch", "onnx", "openvino"],
        help="but for torch, --model is a folder of python -m mmktn export; torch is not needed",
    )
    parser.add_argument("--threads", type=positive, help="of an exported system (default: all)")
    parser.add_argument(
        "--save", nargs="+", default=["npz"], choices=SAVE_FORMATS, help="what is written"
    )
    parser.add_argument("--score-thr", type=float, default=0.3, help="leave out people at or below")
    parser.add_argument("--batch-size", type=positive, default=1, help="pictures per forward pass")
    parser.add_argument("--workers", type=positive, default=2, help="threads that read pictures")
    parser.add_argument("--preset", default="overlay", choices=sorted(PRESETS), help="of 'charts'")
    parser.add_argument(
        "--min-confidence",
        type=float,
        default=0.0,
        help="pixels below are neither painted nor written as IUV (0 to 1; docs/confidence.md)",
    )
    parser.add_argument("--iuv-order", default="VUI", choices=["VUI", "IUV"], help="of 'iuv'")
    parser.add_argument(
        "--launcher",
        choices=["none", *_LAUNCHERS],
        default="none",
        help="share the pictures among the processes that torchrun or srun started",
    )
    add_picture_arguments(parser, out_dir=None, out_flag="--out")
    return parser.parse_args(argv)


def process_share(launcher: str) -> tuple[int, int, int]:
    """Number of this process, number of processes, and number on this machine.

    Args:
        launcher: ``none``, ``pytorch`` or ``slurm``.

    Raises:
        UserError: The launcher's variables are missing or wrong.
    """
    if launcher == "none":
        return 0, 1, 0
    names = _LAUNCHERS[launcher]
    try:
        number, count, local = (int(os.environ[name]) for name in names)
    except (KeyError, ValueError) as error:
        start = "torchrun" if launcher == "pytorch" else "srun"
        raise UserError(
            f"--launcher {launcher}: {', '.join(names)} are not all set; start it with {start}"
        ) from error
    if not 0 <= number < count:
        raise UserError(f"--launcher {launcher}: {names[0]}={number}, {names[1]}={count}")
    return number, count, local


def weights_word(checkpoint: str | Path | None) -> str:
    """Return what tells weights from others: the hash of a file, else its name."""
    if checkpoint and Path(checkpoint).is_file():
        return sha256_of(checkpoint)
    return str(checkpoint)


def settings_word(args: argparse.Namespace, config: str, checkpoint: str | Path | None) -> str:
    """Return what decides the results, as a short word."""
    parts = [
        *(
            __version__,
            Path(config).name,
            weights_word(checkpoint),
            args.cfg_options,
            args.score_thr,
        ),
        *(sorted(args.save), args.preset, args.iuv_order, args.min_confidence),
    ]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]


class _Run:
    """One process's part of the work."""

    def __init__(
        self, args: argparse.Namespace, inferencer: PicturePredictor, record: RunRecord
    ) -> None:
        self.args, self.inferencer, self.record = args, inferencer, record
        self.folder = Path(args.out_dir)
        self.counts = _Counts()

    def work(self, pictures: Iterator[StreamedPicture]) -> None:
        """Go through the pictures."""
        batch: list[_Read] = []
        for read in self._read_ahead(pictures):
            if read.error is not None:
                self._fail(read.picture, read.error)
            elif read.image is None:
                self.counts.kept += 1
            else:
                batch.append(read)
            if len(batch) == self.args.batch_size:
                self._predict(batch)
                batch = []
        if batch:
            self._predict(batch)

    def _read_ahead(self, pictures: Iterator[StreamedPicture]) -> Iterator[_Read]:
        """Read pictures in threads, in order, never more than a few ahead."""
        ahead = self.args.batch_size + self.args.workers
        waiting: deque[Future[_Read]] = deque()
        with ThreadPoolExecutor(self.args.workers) as pool:
            for picture in itertools.islice(pictures, ahead):
                waiting.append(pool.submit(self._read, picture))
            while waiting:
                read = waiting.popleft().result()
                for picture in itertools.islice(pictures, 1):
                    waiting.append(pool.submit(self._read, picture))
                yield read

    def _read(self, picture: StreamedPicture) -> _Read:
        try:
            digest = picture.digest()
            if not self.args.overwrite and self.record.is_done(
                picture.name, digest, self._files(picture)
            ):
                return _Read(picture, digest)
            image = picture.read(max_pixels=self.args.max_pixels)
        except UserError as error:
            return _Read(picture, error=str(error))
        return _Read(picture, digest, image)

    def _files(self, picture: StreamedPicture) -> list[Path]:
        folder = (self.folder / picture.output_stem).parent
        name = Path(picture.name).name
        files = apis.prediction_files(name, folder, formats=self.args.save, preset=self.args.preset)
        return list(files.values())

    def _predict(self, batch: list[_Read]) -> None:
        """Predict and write a batch; if it does not fit into memory, one by one."""
        try:
            found = self._predictions(batch)
        except RuntimeError as error:
            if len(batch) > 1:
                for read in batch:
                    self._predict([read])
                return
            self._fail(batch[0].picture, f"{type(error).__name__}: {error}")
            return
        for read, prediction in zip(batch, found, strict=True):
            self._write(read, prediction)

    def _predictions(self, batch: list[_Read]) -> list[apis.ImagePrediction]:
        images = [ImageInput(Path(r.picture.name).name, r.image, "BGR") for r in batch]  # type: ignore[arg-type]
        found = self.inferencer(
            images,
            batch_size=len(images),
            score_thr=self.args.score_thr,
            min_confidence=self.args.min_confidence,
        )
        for read, prediction in zip(batch, found, strict=True):
            if not Path(read.picture.name).stem.isdecimal():
                prediction.image_id = read.picture.index
        return found

    def _write(self, read: _Read, prediction: apis.ImagePrediction) -> None:
        picture = read.picture
        if prediction.error is not None:
            self._fail(picture, prediction.error)
            return
        assert read.image is not None
        try:
            self._claim(picture)
            apis.save_prediction(
                prediction,
                (self.folder / picture.output_stem).parent,
                formats=self.args.save,
                image=np.ascontiguousarray(read.image[..., ::-1]),
                preset=self.args.preset,
                iuv_order=self.args.iuv_order,
                overwrite=True,  # claimed above
            )
        except DiskFullError:
            raise
        except UserError as error:
            self._fail(picture, str(error))
            return
        self.record.finish(picture.name, read.digest)
        self.counts.made += 1
        if self.counts.made % _LINES_EVERY == 0:
            sys.stdout.write(f"{self.counts}\n")
            sys.stdout.flush()

    def _claim(self, picture: StreamedPicture) -> None:
        """Check that the files of a picture may be written, and write down that they are begun.

        Raises:
            UserError: They would lie beside the photograph, or exist and are not of a run before.
        """
        files = self._files(picture)
        if picture.data is None and _same_folder(files[0].parent, Path(picture.source).parent):
            raise UserError(
                f"its results would lie beside it; give another folder than {self.folder}"
            )
        known = self.args.overwrite or self.record.is_begun(picture.name)
        claim_outputs(files, overwrite=known)
        self.record.begin(picture.name)

    def _fail(self, picture: StreamedPicture, reason: str) -> None:
        self.counts.failed += 1
        self.record.fail(picture.name, picture.source, reason)
        sys.stderr.write(one_line(f"{picture.source}: skipped, {reason}") + "\n")


@one_line_errors("predict")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 1 if a picture was not worked on."""
    args = parse_args(argv)
    number, count, local = process_share(args.launcher)
    check_inputs(args.inputs)
    folder = claim_folder(args.out_dir)
    for text in args.inputs:
        if Path(text).is_dir() and folder.resolve().is_relative_to(Path(text).resolve()):
            raise UserError(
                f"--out {folder} lies in the input {text}: the next run would take results for "
                "pictures; give a folder outside"
            )
    inferencer, settings = _open(args, local, count)
    inferencer.check_confidence(args.min_confidence, args.save)
    if inferencer.needs_boxes:
        raise UserError(f"{args.model} is a top-down system, which needs boxes: see image_demo.py")
    record = RunRecord(folder, settings, share=(number, count))
    run = _Run(args, inferencer, record)
    try:
        run.work(stream_pictures(args.inputs, share=(number, count)))
    finally:
        record.close()
    sys.stdout.write(f"{run.counts} -> {folder}\n")
    if not run.counts.made + run.counts.kept + run.counts.failed and count == 1:
        raise UserError("no pictures in what was given")
    if run.counts.failed:
        sys.stderr.write(f"what failed stands in {record.failures_file}\n")
    return int(run.counts.failed > 0)


def _open(args: argparse.Namespace, local: int, count: int) -> tuple[PicturePredictor, str]:
    """Return what predicts, and the settings that decide its results."""
    if args.runtime != "torch":
        from mmktn.apis.exported import ExportedInferencer
        from mmktn.runtime.manifest import MANIFEST

        given = [flag for flag in ("checkpoint", "device", "cfg_options") if getattr(args, flag)]
        if given:
            flag = given[0].replace("_", "-")
            raise UserError(f"--{flag} is of no use with --runtime {args.runtime}")
        exported = ExportedInferencer(args.model, engine=args.runtime, threads=args.threads)
        # The manifest has the SHA-256 of every file of the system.
        return exported, settings_word(args, args.runtime, Path(args.model) / MANIFEST)
    config, checkpoint = resolve_names(args.model, args.checkpoint)
    if checkpoint is None:
        raise UserError(f"--model {args.model} is a config: give its weights with --checkpoint")
    settings = settings_word(args, resolve_config(config), checkpoint)
    device = args.device or _device_of(local, count)
    inferencer = apis.open_inferencer(
        config, checkpoint, device=device, cfg_options=args.cfg_options
    )
    return inferencer, settings


def _same_folder(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()


def _device_of(local: int, count: int) -> str | None:
    """Return the GPU of a process among several; None leaves the choice to the model."""
    import torch

    if count == 1 or not torch.cuda.is_available():
        return None
    return f"cuda:{local % torch.cuda.device_count()}"
