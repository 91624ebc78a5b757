"""`python -m mmktn ray`: dense pose of many pictures on a Ray cluster, as Parquet files.

Names are dealt out in blocks; tasks read the files, actors that hold the model predict them, tasks
write. Ray starts a dead actor again and repeats what it had not handed on, and at the end names are
counted: nothing may be missing or there twice.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmktn.apis.picture_stream import check_inputs, stream_pictures
from mmktn.utils.optional import require
from mmktn.utils.output_files import OVERWRITE_HELP, claim_folder
from mmktn.utils.user_error import UserError, one_line, one_line_errors

_BLOCK = 64


def parquet_schema() -> Any:
    """Columns of the files: a row is a picture, its people are lists in it."""
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
    """Add the content of files to a batch of names; empty where there is none."""
    read = [_read(source) for source in batch["source"]]
    return {**batch, "data": [data for data, _ in read], "error": [error for _, error in read]}


def _read(source: str) -> tuple[bytes, str]:
    """A file, and why it cannot be read."""
    try:
        return Path(source).read_bytes(), ""
    except OSError as error:
        return b"", f"cannot be read ({error.strerror or error})"


class Predictor:
    """What an actor holds: the model, asked batch by batch.

    Args:
        make_inferencer: Makes an inferencer on the actor.
        score_thr: People at or below are left out.
    """

    def __init__(self, make_inferencer: Callable[[], Any], score_thr: float) -> None:
        self.inferencer, self.score_thr = make_inferencer(), score_thr

    def __call__(self, batch: dict[str, Any]) -> Any:
        """Rows of `parquet_schema` for a batch of `read_files`."""
        from mmktn.apis.image_inputs import ImageInput
        from mmktn.formats.pictures import decode_picture
        from mmktn.structures.chart_result import encode_png

        rows, images, where = [], [], []
        columns = (batch[key] for key in ("name", "source", "data", "error"))
        for index, (name, source, data, error) in enumerate(zip(*columns, strict=True)):
            row = {"name": name, "source": source, "error": error or None}
            row["sha256"] = hashlib.sha256(data).hexdigest()
            rows.append(row)
            if error:
                continue
            try:
                images.append(ImageInput(Path(name).name, decode_picture(data), "BGR"))
                where.append(index)
            except UserError as failed:
                row["error"] = one_line(str(failed))
        if images:
            found = self.inferencer(images, batch_size=len(images), score_thr=self.score_thr)
            for index, prediction in zip(where, found, strict=True):
                iuvs = [result.iuv_uint8() for result in prediction.densepose]
                rows[index].update(
                    height=prediction.image_hw[0],
                    width=prediction.image_hw[1],
                    error=prediction.error,
                    boxes_xyxy=prediction.boxes_xyxy.tolist(),
                    scores=prediction.scores.tolist(),
                    uv_shape=[list(iuv.shape) for iuv in iuvs],
                    uv_data=[encode_png(iuv) for iuv in iuvs],
                )
        return require("pyarrow", "ray").Table.from_pylist(rows, schema=parquet_schema())


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
) -> tuple[int, int]:
    """Predict pictures on the Ray cluster that this process is connected to.

    Args:
        inputs: Pictures, folders, patterns, lists; their paths must lead to the files on every
            machine of the cluster.
        out: Folder for Parquet files, likewise.
        make_inferencer: Makes an inferencer on an actor.
        actors: How many actors.
        gpus: GPUs an actor takes (a part of one is allowed).
        batch_size: Pictures a forward pass.
        score_thr: People at or below are left out.
        overwrite: Whether the folder's Parquet files may be replaced.

    Returns:
        Number of pictures, and of those that could not be worked on.

    Raises:
        UserError: There is nothing to do, the folder is not empty, or names are missing or there
            twice at the end.
        ImportError: Ray is missing.
    """
    data = require("ray.data", "ray")
    check_inputs(inputs)
    folder = claim_folder(out)
    if folder.is_dir() and any(folder.glob("*.parquet")):
        if not overwrite:
            raise UserError(f"{folder} holds Parquet files; write elsewhere or pass --overwrite")
        for path in folder.glob("*.parquet"):
            path.unlink()
    rows = []
    for picture in stream_pictures(inputs):
        if picture.data is not None:
            raise UserError(f"{picture.source}: archives are read by python -m mmktn predict")
        rows.append({"name": picture.name, "source": str(Path(picture.source).resolve())})
    if not rows:
        raise UserError("no pictures in what was given")
    blocks = max(-(-len(rows) // _BLOCK), min(actors, len(rows)))
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
        .write_parquet(str(folder))
    )
    return _counted(folder, [row["name"] for row in rows])


def _counted(folder: Path, names: Sequence[str]) -> tuple[int, int]:
    """Pictures and failures that were written.

    Raises:
        UserError: A name is missing or there twice.
    """
    parquet = require("pyarrow.parquet", "ray")
    found: list[str] = []
    failed = 0
    for path in sorted(folder.glob("*.parquet")):
        table = parquet.read_table(path, columns=["name", "error"])
        found += table.column("name").to_pylist()
        failed += len(table) - table.column("error").null_count
    twice, missing = len(found) - len(set(found)), len(set(names) - set(found))
    if twice or missing:
        raise UserError(f"{folder}: {missing} pictures are missing and {twice} are there twice")
    return len(found), failed


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    from mmktn.zoo.table import DEFAULT

    parser = argparse.ArgumentParser(
        prog="python -m mmktn ray",
        description="Predict dense pose for many pictures on a Ray cluster, into Parquet files.",
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="pictures, folders, lists")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where Parquet files go")
    parser.add_argument("--address", help="of a cluster ('auto': the one this machine is part of)")
    parser.add_argument("--actors", type=int, default=1, help="processes that hold the model")
    parser.add_argument("--gpus", type=float, default=0.0, help="GPUs of each (0.5: two share one)")
    parser.add_argument("--batch-size", type=int, default=8, help="pictures a forward pass")
    parser.add_argument("--score-thr", type=float, default=0.3, help="leave out people at or below")
    parser.add_argument("--model", default=DEFAULT, help="published model, or a config")
    parser.add_argument("--checkpoint", help="weights, for a config")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


@one_line_errors("ray")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 1 if a picture was not worked on."""
    args = parse_args(argv)
    if args.actors < 1 or args.batch_size < 1 or args.gpus < 0:
        raise UserError("--actors and --batch-size are at least 1, --gpus at least 0")
    ray = require("ray", "ray")
    model, checkpoint = args.model, args.checkpoint

    def make_inferencer() -> Any:
        from mmktn.apis import open_inferencer
        from mmktn.zoo.named_weights import resolve_names

        return open_inferencer(*resolve_names(model, checkpoint))

    ray.init(address=args.address, log_to_driver=False)
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
    finally:
        ray.shutdown()
    sys.stdout.write(f"{count} pictures, {failed} failed -> {one_line(args.out)}\n")
    return int(failed > 0)
