"""`python -m mmktn bootstrap`: a teacher's labels on pictures and films, as an annotation file.

People that the teacher is sure of become annotated persons: box, outline, body parts and some of
their pixels as points. Those it is less sure of become crowds, which training leaves out of
account. The file is read like any DensePose-COCO file (docs/distillation.md).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn import apis
from mmktn.annotation.teacher_points import SAMPLERS, draw_pixels
from mmktn.apis.image_inputs import ImageInput
from mmktn.apis.picture_command import positive
from mmktn.apis.picture_stream import check_inputs, stream_pictures
from mmktn.formats.picture_writing import write_image
from mmktn.formats.pictures import MAX_PIXELS
from mmktn.surface.parts import NUM_COARSE
from mmktn.synthetic.annotate import coarse_grid, encode_rle
from mmktn.utils.config_path import resolve_config
from mmktn.utils.devices import DEVICE_HELP
from mmktn.utils.output_files import (
    OVERWRITE_HELP,
    claim_folder,
    claim_output,
    write_json,
)
from mmktn.utils.run_arguments import add_config_options
from mmktn.utils.user_error import UserError, one_line, one_line_errors
from mmktn.zoo.named_weights import resolve_names
from mmktn.zoo.table import DEFAULT

FILM_ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm")
GRID = 256
LEAST_SCORE = 0.3
"""People at or below are not there at all."""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn bootstrap",
        description="Write a teacher's labels of pictures or films as an annotation file.",
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="pictures, folders, patterns, lists (.txt); or films, with --frames",
    )
    parser.add_argument("--out", required=True, metavar="FILE.json", help="annotation file")
    parser.add_argument("--frames", metavar="FOLDER", help="where frames of films are written")
    parser.add_argument("--every", type=positive, default=10, help="each n-th frame of a film")
    parser.add_argument("--model", default=DEFAULT, help="teacher: published model, or a config")
    parser.add_argument("--checkpoint", help="weights, for a config")
    parser.add_argument(
        "--min-score",
        type=float,
        default=0.5,
        help="of a person (0 to 1); models differ: the shipped one gives 0.7 at most",
    )
    parser.add_argument(
        "--min-confidence", type=float, default=0.0, help="mean of a person's pixels (0 to 1)"
    )
    parser.add_argument("--sampler", default="chart", choices=SAMPLERS, help="which pixels")
    parser.add_argument("--points", type=positive, default=196, help="of a person, for 'uniform'")
    parser.add_argument("--per-chart", type=positive, default=8, help="points, for the others")
    parser.add_argument(
        "--pool", type=float, default=4.0, help="'confidence' draws among so many times as many"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-size", type=positive, default=1)
    parser.add_argument("--max-pixels", type=positive, default=MAX_PIXELS)
    parser.add_argument("--device", help=DEVICE_HELP)
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    add_config_options(parser)
    return parser.parse_args(argv)


@dataclass(frozen=True)
class Picture:
    """A picture that was read.

    Attributes:
        name: Its `file_name`.
        pixels: (H, W, 3) uint8 BGR; None where it cannot be read.
        error: Why it cannot be.
        to_write: Where it has to be written if it is used; None: it is there.
    """

    name: str
    pixels: NDArray[np.uint8] | None = None
    error: str = ""
    to_write: Path | None = None


def person_record(
    result: Any, image_hw: tuple[int, int], args: argparse.Namespace, rng: np.random.Generator
) -> dict[str, Any] | None:
    """Return the annotation of a person, without its ids.

    Args:
        result: `ChartResult` or `ChartArrays`.
        image_hw: Size of the picture.
        args: `sampler`, `points`, `per_chart` and `pool`.
        rng: Draws the points.

    Returns:
        The fields of DensePose-COCO, in the person's box of whole pixels inside the picture; None
        where no pixel of the person lies there.
    """
    own = result.arrays()
    (x1, y1, x2, y2), (height, width) = own.box_xyxy, image_hw
    left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    part = slice(max(top - y1, 0), bottom - y1), slice(max(left - x1, 0), right - x1)
    charts = own.labels[part]
    rows, columns = np.nonzero(charts)
    if not len(rows):
        return None
    sure = own.confidence_map
    drawn = draw_pixels(
        charts[rows, columns],
        None if sure is None else sure[part][rows, columns],
        sampler=args.sampler,
        rng=rng,
        count=args.points,
        per_chart=args.per_chart,
        pool=args.pool,
    )
    rows, columns = rows[drawn], columns[drawn]
    u, v = np.clip(own.uv[:, part[0], part[1]][:, rows, columns], 0, 1)
    outline = np.zeros(image_hw, dtype=bool)
    outline[top:bottom, left:right] = charts > 0
    size = float(right - left), float(bottom - top)
    grid = coarse_grid(charts, charts > 0, [0.0, 0.0, *size])
    masks = [grid == number for number in range(1, NUM_COARSE + 1)]
    return {
        "bbox": [float(left), float(top), *size],
        "area": float(outline.sum()),
        "iscrowd": 0,
        "segmentation": encode_rle(outline),
        "dp_masks": [encode_rle(mask) if mask.any() else [] for mask in masks],
        "dp_x": np.round((columns + 0.5) * GRID / size[0], 4).tolist(),
        "dp_y": np.round((rows + 0.5) * GRID / size[1], 4).tolist(),
        "dp_I": charts[rows, columns].astype(float).tolist(),
        "dp_U": np.round(u.astype(float), 6).tolist(),
        "dp_V": np.round(v.astype(float), 6).tolist(),
    }


def crowd_record(box_xyxy: NDArray[np.floating], image_hw: tuple[int, int]) -> dict[str, Any]:
    """Return the annotation of a box that training shall leave out of account, without its ids."""
    limit = np.array([image_hw[1], image_hw[0]] * 2)
    x1, y1, x2, y2 = np.clip(np.asarray(box_xyxy, np.float64), 0, limit)
    box = [round(float(value), 2) for value in (x1, y1, x2 - x1, y2 - y1)]
    inside = np.zeros(image_hw, dtype=bool)
    inside[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))] = True
    return {
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": 1,
        "segmentation": encode_rle(inside),
    }


class Labels:
    """The annotation file in the making.

    Args:
        args: Of the command.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.people = self.left_out = 0

    def add(self, number: int, name: str, prediction: Any) -> bool:
        """Add a picture, if somebody on it is chosen.

        Args:
            number: Of the picture in the whole run; with the seed it decides the points.
            name: Its `file_name`.
            prediction: `ImagePrediction`.

        Returns:
            Whether somebody is.
        """
        hw = tuple(prediction.image_hw)
        chosen: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        people = zip(prediction.boxes_xyxy, prediction.scores, prediction.densepose, strict=True)
        for place, (box, score, result) in enumerate(people):
            rng = np.random.default_rng((self.args.seed, number, place))
            record = None
            if score >= self.args.min_score and self._is_sure(result):
                record = person_record(result, hw, self.args, rng)
            (others if record is None else chosen).append(
                {**(record or crowd_record(box, hw)), "score": round(float(score), 5)}
            )
        self.people += len(chosen)
        self.left_out += len(others)
        if not chosen:
            return False
        image_id = len(self.images) + 1
        self.images.append({"id": image_id, "file_name": name, "height": hw[0], "width": hw[1]})
        for record in chosen + others:
            ids = {"id": len(self.annotations) + 1, "image_id": image_id, "category_id": 1}
            self.annotations.append(ids | record)
        return True

    def _is_sure(self, result: Any) -> bool:
        return self.args.min_confidence == 0 or (
            result.confidence is not None and result.confidence >= self.args.min_confidence
        )

    def content(self) -> dict[str, Any]:
        """Return what is written."""
        keys = ("model", "min_score", "min_confidence", "sampler", "seed")
        return {
            "info": {"description": "a teacher's labels"}
            | {k: getattr(self.args, k) for k in keys},
            "categories": [{"id": 1, "name": "person"}],
            "images": self.images,
            "annotations": self.annotations,
        }


def read_pictures(args: argparse.Namespace) -> Iterator[Picture]:
    """Go through the pictures of the command, or through the frames of its films."""
    if args.frames is None:
        # Names are below one folder, which the data set is given.
        root = picture_root(args.inputs)
        for picture in stream_pictures(args.inputs):
            name = os.path.relpath(picture.source, root)
            try:
                yield Picture(name, picture.read(max_pixels=args.max_pixels))
            except UserError as error:
                yield Picture(picture.source, error=str(error))
        return
    from mmktn.video.film import Selection, open_film, selected

    for place, source in enumerate(args.inputs):
        stem = Path(source).stem if len(args.inputs) == 1 else f"{place}_{Path(source).stem}"
        film = open_film(source, max_pixels=args.max_pixels)
        for frame in selected(film, Selection(every=args.every)):
            name = f"{stem}_{frame.index:06d}.png"
            if frame.image is None:
                yield Picture(f"{source}, frame {frame.index}", error=str(frame.error))
                continue
            pixels = np.ascontiguousarray(frame.image[..., ::-1])
            yield Picture(name, pixels, to_write=Path(args.frames) / name)


def picture_root(inputs: Sequence[str]) -> Path:
    """Folder that all pictures of the command lie below: the data set's `data_prefix.img`."""
    sources = [os.path.abspath(picture.source) for picture in stream_pictures(inputs)]
    if not sources:
        raise UserError("no pictures in what was given")
    return Path(os.path.commonpath([os.path.dirname(source) for source in sources]))


def check(args: argparse.Namespace) -> None:
    """See that the options fit each other and the inputs.

    Raises:
        UserError: They do not.
    """
    for name in ("min_score", "min_confidence"):
        if not 0 <= getattr(args, name) <= 1:
            raise UserError(f"--{name.replace('_', '-')} {getattr(args, name)}: 0 to 1 is possible")
    if not 1 <= args.pool < float("inf"):
        raise UserError(f"--pool {args.pool}: 1 takes the surest pixels, more draw among more")
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: a whole number >= 0")
    check_inputs(args.inputs)
    films = [text.lower().endswith(FILM_ENDINGS) for text in args.inputs]
    if args.frames is None and any(films):
        film = args.inputs[films.index(True)]
        raise UserError(f"{film} is a film: say with --frames FOLDER where its frames go")
    if args.frames is not None and not all(films):
        picture = args.inputs[films.index(False)]
        raise UserError(f"--frames is for films ({', '.join(FILM_ENDINGS)}); {picture} is none")
    for text in args.inputs:
        if text.lower().endswith((".tar", ".tar.gz", ".tgz")):
            raise UserError(f"{text}: a training reads pictures from folders; unpack the archive")


def open_teacher(args: argparse.Namespace) -> Any:
    """Return the inferencer, which says how sure it is wherever its decoder can."""
    from mmktn.apis.model_loading import load_config

    config, checkpoint = resolve_names(args.model, args.checkpoint)
    if checkpoint is None:
        raise UserError(f"--model {args.model} is a config: give its weights with --checkpoint")
    model = load_config(resolve_config(config)).model
    options = dict(args.cfg_options or {})
    for place in ("roi_head", "head"):
        if "densepose_head" in (model.get(place) or {}):
            options.setdefault(f"model.{place}.densepose_head.decoder.chart_confidence", True)
    return apis.open_inferencer(config, checkpoint, device=args.device, cfg_options=options)


@one_line_errors("bootstrap")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 1 if a picture was not worked on."""
    args = parse_args(argv)
    check(args)
    given = [path for path in (args.model, args.checkpoint) if path and Path(path).is_file()]
    claim_output(args.out, inputs=[*args.inputs, *given], overwrite=args.overwrite)
    if args.frames is not None:
        claim_folder(args.frames)
    teacher = open_teacher(args)
    if args.min_confidence > 0 or args.sampler == "confidence":
        teacher.check_confidence(1.0)
    if teacher.needs_boxes:
        raise UserError(f"{args.model} is a top-down system, which needs boxes; take another")
    labels, failed, seen = Labels(args), 0, 0
    batch: list[Picture] = []
    for picture in read_pictures(args):
        if picture.pixels is None:
            failed += 1
            sys.stderr.write(one_line(f"{picture.name}: skipped, {picture.error}") + "\n")
            continue
        batch.append(picture)
        if len(batch) == args.batch_size:
            label(batch, seen, teacher, labels, args)
            seen, batch = seen + len(batch), []
    if batch:
        label(batch, seen, teacher, labels, args)
        seen += len(batch)
    if not labels.people:
        raise UserError(
            f"nobody on {seen} pictures was chosen of {labels.left_out} who were found; nothing is "
            "written (lower --min-score or --min-confidence)"
        )
    write_json(args.out, labels.content())
    place = args.frames if args.frames is not None else picture_root(args.inputs)
    sys.stdout.write(
        f"{labels.people} people on {len(labels.images)} of {seen} pictures, "
        f"{labels.left_out} left out -> {one_line(args.out)}; pictures below "
        f"{one_line(str(place))}\n"
    )
    return int(failed > 0)


def label(
    batch: Sequence[Picture], first: int, teacher: Any, labels: Labels, args: argparse.Namespace
) -> None:
    """Predict a batch, whose first picture is number `first`, and add it to the labels."""
    images = [ImageInput(Path(p.name).name, p.pixels, "BGR") for p in batch]  # type: ignore[arg-type]
    found = teacher(images, batch_size=len(images), score_thr=LEAST_SCORE)
    for number, (picture, prediction) in enumerate(zip(batch, found, strict=True), start=first):
        if prediction.error is not None:
            raise UserError(f"{picture.name}: {prediction.error}")
        used = labels.add(number, picture.name, prediction)
        if used and picture.to_write is not None:
            claim_output(picture.to_write, overwrite=args.overwrite)
            write_image(picture.to_write, picture.pixels[..., ::-1])
