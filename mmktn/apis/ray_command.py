"""`python -m mmktn ray`: dense pose of many pictures on a Ray cluster, as Parquet files.

Names are dealt out in blocks; actors that hold the model read and predict, tasks write. Ray starts
a dead actor again and repeats what it had not handed on. At the end names are counted, nothing may
be missing or there twice, and only then do the files go where they belong.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmktn.apis.image_inputs import ImageInput
from mmktn.apis.picture_command import positive
from mmktn.apis.picture_stream import check_inputs, stream_pictures
from mmktn.apis.topdown_inferencer import open_inferencer
from mmktn.formats.chart_arrays import encode_png
from mmktn.formats.pictures import decode_picture, picture_bytes
from mmktn.utils.optional import require
from mmktn.utils.output_files import OVERWRITE_HELP, claim_folder
from mmktn.utils.user_error import UserError, one_line, one_line_errors
from mmktn.zoo.named_weights import resolve_names
from mmktn.zoo.table import DEFAULT

_BLOCK = 64


def parquet_schema() -> Any:
    """Return the columns of the files: one row per picture, whose people are lists in it."""
    pa = require("pyarrow", "ray")
    return pa.schema(
        [
            ("name", pa.string()),
            ("source", pa.string()),
            ("sha256", pa.string()),
            ("height", pa.int32()),
            ("width", pa.int32()),
            ("error", pa.string()),
            ("boxes_xyxy", pa.list_(pa.list_(pa.float32()))),
            ("scores", pa.list_(pa.float32())),
            ("uv_shape", pa.list_(pa.list_(pa.int32()))),
            ("uv_data", pa.list_(pa.string())),
        ]
    )


def read_files(batch: dict[str, Any]) -> dict[str, Any]:
    """Add the content of files and its hash to a batch of names; empty where there is none."""
    read = [_read(*entry) for entry in zip(batch["source"], batch["error"], strict=True)]
    return {
        **batch,
        "data": [data for data, _ in read],
        "sha256": [hashlib.sha256(data).hexdigest() if data else "" for data, _ in read],
        "error": [error for _, error in read],
    }


def _read(source: str, error: str) -> tuple[bytes, str]:
    """Return a file, and why it cannot be read."""
    if error:
        return b"", error
    try:
        return picture_bytes(source), ""
    except FileNotFoundError:
        return b"", "no such file"
    except UserError as failed:
        return b"", one_line(str(failed))


class Predictor:
    """What an actor holds: the model, asked batch by batch.

    Args:
        make_inferencer: Makes an inferencer on the actor.
        score_thr: People at or below are left out.
    """

    def __init__(self, make_inferencer: Callable[[], Any], score_thr: float) -> None:
        self.inferencer, self.score_thr = make_inferencer(), score_thr

    def __call__(self, batch: dict[str, Any]) -> Any:
        """Return a table of `rows`."""
        table = require("pyarrow", "ray").Table
        return table.from_pylist(self.rows(batch), schema=parquet_schema())

    def rows(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        """Predict what `read_files` read.

        Args:
            batch: Columns ``name``, ``source``, ``sha256``, ``data``, ``error``.

        Returns:
            A row of `parquet_schema` for each picture; ``error`` says why one was not worked on.
        """
        rows: list[dict[str, Any]] = []
        images, where = [], []
        columns = (batch[key] for key in ("name", "source", "sha256", "data", "error"))
        for name, source, digest, data, error in zip(*columns, strict=True):
            row = {"name": name, "source": source, "sha256": digest or None, "error": error or None}
            rows.append(row)
            if error:
                continue
            try:
                images.append(ImageInput(Path(name).name, decode_picture(data), "BGR"))
                where.append(row)
            except UserError as failed:
                row["error"] = one_line(str(failed))
        self._predict(images, where)
        return rows

    def _predict(self, images: list[ImageInput], rows: list[dict[str, Any]]) -> None:
        """Fill rows; what does not fit into memory together is tried one by one."""
        if not images:
            return
        try:
            found = self.inferencer(images, batch_size=len(images), score_thr=self.score_thr)
        except RuntimeError as error:
            if len(images) == 1:
                rows[0]["error"] = one_line(f"{type(error).__name__}: {error}")
                return
            for image, row in zip(images, rows, strict=True):
                self._predict([image], [row])
            return
        for row, prediction in zip(rows, found, strict=True):
            iuvs = [result.iuv_uint8() for result in prediction.densepose]
            row.update(
                height=prediction.image_hw[0],
                width=prediction.image_hw[1],
                error=prediction.error,
                boxes_xyxy=prediction.boxes_xyxy.tolist(),
                scores=prediction.scores.tolist(),
                uv_shape=[list(iuv.shape) for iuv in iuvs],
                uv_data=[encode_png(iuv) for iuv in iuvs],
            )


def predict_with_ray(
    inputs: Sequence[str],
    out: str | Path,
    make_inferencer: Callable[[], Any],
    *,
    actors: int = 1,
    gpus: float = 0.0,
    batch_size: int = 8,
    score_thr: float = 0.3,
    overwrite: bool = False,
) -> tuple[int, dict[str, str]]:
    """Predict pictures on the Ray cluster that this process is connected to.

    Args:
        inputs: Pictures, folders, patterns, lists; their paths must lead to the files on every
            machine of the cluster.
        out: Folder for Parquet files, likewise.
        make_inferencer: Makes an inferencer on an actor.
        actors: How many actors.
        gpus: GPUs per actor (a part of one is allowed).
        batch_size: Pictures per forward pass.
        score_thr: People at or below are left out.
        overwrite: Whether the folder's Parquet files may be replaced.

    Returns:
        Number of pictures, and why some could not be worked on, by name.

    Raises:
        UserError: There is nothing to do, the folder is not empty, or names are missing or there
            twice at the end.
        ImportError: Ray is missing.
    """
    data = require("ray.data", "ray")
    check_inputs(inputs)
    folder = claim_folder(out)
    old = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    if old and not overwrite:
        raise UserError(f"{folder} holds Parquet files; write elsewhere or pass --overwrite")
    rows = []
    for picture in stream_pictures(inputs):
        if picture.data is not None:
            raise UserError(f"{picture.source}: archives are read by python -m mmktn predict")
        source = str(Path(picture.source).resolve())
        rows.append({"name": picture.name, "source": source, "error": picture.error or ""})
    if not rows:
        raise UserError("no pictures in what was given")
    _check_room(actors, gpus)
    # Enough of them that no actor is left alone with the last ones.
    blocks = min(max(-(-len(rows) // _BLOCK), 4 * actors), len(rows))
    writing = folder.resolve() / ".writing"
    shutil.rmtree(writing, ignore_errors=True)
    (
        data.from_items(rows, override_num_blocks=blocks)
        .map_batches(read_files, batch_size=batch_size)
        .map_batches(
            Predictor,
            fn_constructor_args=(make_inferencer, score_thr),
            batch_size=batch_size,
            compute=data.ActorPoolStrategy(size=actors),
            num_gpus=gpus or None,
        )
        .write_parquet(str(writing))
    )
    counts = counted(writing, [row["name"] for row in rows])
    for path in old:
        path.unlink()
    for path in writing.glob("*.parquet"):
        path.replace(folder / path.name)
    writing.rmdir()
    return counts


def _check_room(actors: int, gpus: float) -> None:
    """See that a cluster has a place for every actor and one for reading and writing.

    Raises:
        UserError: It has not; Ray might wait without end.
    """
    there = require("ray", "ray").cluster_resources()
    if gpus and there.get("GPU", 0) < actors * gpus:
        raise UserError(
            f"the cluster has {there.get('GPU', 0):g} GPUs, {actors} actors with {gpus:g} each "
            "need more: give fewer --actors or --gpus"
        )
    if not gpus and there.get("CPU", 0) < actors + 1:
        raise UserError(
            f"the cluster has {there.get('CPU', 0):g} CPUs; {actors} actors and a task that "
            "writes need more: give fewer --actors"
        )


def counted(folder: Path, names: Sequence[str]) -> tuple[int, dict[str, str]]:
    """Count the pictures that were written.

    Args:
        folder: Parquet files.
        names: Of all pictures.

    Returns:
        Number of pictures, and why some could not be worked on, by name.

    Raises:
        UserError: A name is missing or there twice.
    """
    parquet = require("pyarrow.parquet", "ray")
    found: list[str] = []
    failed: dict[str, str] = {}
    for path in sorted(folder.glob("*.parquet")):
        table = parquet.read_table(path, columns=["name", "error"])
        here, errors = (table.column(key).to_pylist() for key in ("name", "error"))
        found += here
        failed |= {name: error for name, error in zip(here, errors, strict=True) if error}
    twice, missing = len(found) - len(set(found)), len(set(names) - set(found))
    if twice or missing:
        raise UserError(f"{folder}: {missing} pictures are missing and {twice} are there twice")
    return len(found), failed


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn ray",
        description="Predict dense pose for many pictures on a Ray cluster, into Parquet files.",
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="pictures, folders, lists")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where Parquet files go")
    parser.add_argument("--address", help="of a cluster ('auto': the one this machine is part of)")
    parser.add_argument("--actors", type=positive, default=1, help="processes that hold the model")
    parser.add_argument("--gpus", type=float, default=0.0, help="GPUs of each (0.5: two share one)")
    parser.add_argument("--batch-size", type=positive, default=8, help="pictures per forward pass")
    parser.add_argument("--score-thr", type=float, default=0.3, help="leave out people at or below")
    parser.add_argument("--model", default=DEFAULT, help="published model, or a config")
    parser.add_argument("--checkpoint", help="weights, for a config")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def _cause(error: BaseException) -> str:
    """Return what went wrong on another machine: the last line of its text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return one_line(lines[-1] if lines else type(error).__name__)


@one_line_errors("ray")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 1 if a picture was not worked on."""
    args = parse_args(argv)
    if not 0 <= args.gpus < float("inf"):
        raise UserError(f"--gpus {args.gpus}: give 0 for CPUs, or the GPUs of an actor")
    check_inputs(args.inputs)
    claim_folder(args.out)
    ray = require("ray", "ray")
    model, checkpoint = args.model, args.checkpoint
    if resolve_names(model, checkpoint)[1] is None:
        raise UserError(f"--model {model} is a config: give its weights with --checkpoint")

    def make_inferencer() -> Any:
        inferencer = open_inferencer(*resolve_names(model, checkpoint))
        if inferencer.needs_boxes:
            raise UserError(f"{model} is a top-down system, which needs boxes: see image_demo.py")
        return inferencer

    # The task that writes takes little of a core.
    own = {} if args.address else {"num_cpus": max(os.cpu_count() or 1, args.actors + 1)}
    # Ray reports its use to its makers unless told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(address=args.address, log_to_driver=False, **own)
    except (RuntimeError, ConnectionError, ValueError) as error:
        raise UserError(
            f"Ray does not answer ({error}); start a node with `ray start --head` and pass "
            "--address auto (docs/ray.md)"
        ) from error
    try:
        count, failed = predict_with_ray(
            args.inputs,
            args.out,
            make_inferencer,
            actors=args.actors,
            gpus=args.gpus,
            batch_size=args.batch_size,
            score_thr=args.score_thr,
            overwrite=args.overwrite,
        )
    except ray.exceptions.RayError as error:
        raise UserError(f"Ray ended the work: {_cause(error)}") from error
    finally:
        ray.shutdown()
    for name, reason in sorted(failed.items()):
        sys.stderr.write(one_line(f"{name}: {reason}") + "\n")
    sys.stdout.write(f"{count} pictures, {len(failed)} failed -> {one_line(args.out)}\n")
    return int(bool(failed))
