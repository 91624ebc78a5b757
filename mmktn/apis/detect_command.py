"""`python -m mmktn detect`: person boxes of a detector, as the file that top-down tests read.

Any config of mmdet, or a published model, finds people on the images of an annotation file; the
boxes are written in COCO result format, with the image ids and the person's category of that file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track

from mmktn import apis
from mmktn.apis.picture_command import positive
from mmktn.formats.pictures import MAX_PIXELS, known_hw, read_picture
from mmktn.utils.devices import DEVICE_HELP
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, write_json
from mmktn.utils.run_arguments import add_config_options
from mmktn.utils.user_error import UserError, one_line, one_line_errors

if TYPE_CHECKING:
    from mmengine.structures import InstanceData

    from mmktn.formats.file_layout import ImageFolder


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn detect",
        description="Write person boxes of any detector for top-down tests (bbox_file).",
    )
    parser.add_argument("model", help="config of mmdet, or a published model (docs/models.md)")
    parser.add_argument("checkpoint", nargs="?", help="weights, for a config")
    parser.add_argument("--gt", required=True, help="annotation file: image ids and names")
    parser.add_argument("--images", required=True, help="folder of the images")
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument(
        "--score-thr", type=float, default=0.001, help="leave out boxes at or below"
    )
    parser.add_argument(
        "--max-per-image", type=positive, default=100, help="boxes kept, the best ones"
    )
    parser.add_argument(
        "--label", type=int, help="the person's label of the detector; default: by its class names"
    )
    parser.add_argument("--batch-size", type=positive, default=1)
    parser.add_argument("--max-pixels", type=positive, default=MAX_PIXELS)
    parser.add_argument("--device", help=DEVICE_HELP)
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    add_config_options(parser)
    return parser.parse_args(argv)


def person_label(model: Any, given: int | None) -> int:
    """Label of the person among a detector's classes.

    Raises:
        UserError: No class is called person, or the given label is none of the detector's.
    """
    classes = [str(name).lower() for name in (model.dataset_meta or {}).get("classes") or ()]
    if given is not None:
        if given < 0 or given >= len(classes) > 0:
            end = f" to {len(classes) - 1} ({', '.join(classes[:8])})" if classes else ""
            raise UserError(f"--label {given}: this detector's labels count from 0{end}")
        return given
    if "person" in classes:
        return classes.index("person")
    raise UserError(
        f"none of the detector's classes is called person ({', '.join(classes[:8])}); say which "
        "label is with --label"
    )


def entries_of(
    found: InstanceData, image: dict[str, Any], *, label: int, category: int, options: Any
) -> list[dict[str, Any]]:
    """Return the boxes of one image in COCO result format, the best first.

    Args:
        found: bboxes (N, 4) xyxy in pixels, scores (N,) and labels (N,).
        image: Record of the annotation file.
        label: Label of the person.
        category: Category of the person in the annotation file.
        options: `score_thr` and `max_per_image`.
    """
    boxes, scores, labels = (
        found[name].detach().float().cpu().numpy() for name in ("bboxes", "scores", "labels")
    )
    low, high = boxes[:, :2], boxes[:, 2:]
    usable = np.isfinite(boxes).all(axis=1) & (high > low).all(axis=1)
    kept = np.flatnonzero((labels == label) & (scores > options.score_thr) & usable)
    kept = kept[np.argsort(-scores[kept], kind="stable")][: options.max_per_image]
    return [
        {
            "image_id": image["id"],
            "category_id": category,
            "bbox": [round(float(v), 2) for v in (x1, y1, x2 - x1, y2 - y1)],
            "score": round(float(scores[k]), 5),
        }
        for k in kept
        for x1, y1, x2, y2 in [boxes[k].tolist()]
    ]


class _Reader:
    """Reads the images of a file; what cannot be read is said and counted."""

    def __init__(self, folder: ImageFolder, max_pixels: int) -> None:
        self.folder, self.max_pixels = folder, max_pixels
        self.failed = 0

    def __call__(
        self, images: Iterable[dict[str, Any]]
    ) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
        """Record and pixels (H, W, 3) BGR of each image that can be read."""
        for image in images:
            path = self.folder.path_of(image)
            try:
                pixels = read_picture(path, expected_hw=known_hw(image), max_pixels=self.max_pixels)
            except FileNotFoundError:
                self._fail(path, "no such file")
            except UserError as error:
                self._fail(path, str(error))
            else:
                yield image, pixels

    def _fail(self, path: str, reason: str) -> None:
        self.failed += 1
        sys.stderr.write(one_line(f"{path}: no boxes, {reason}") + "\n")


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@one_line_errors("detect")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 1 if an image could not be read."""
    args = parse_args(argv)
    # Behind the command line: they bring mmdet.
    from mmktn.formats.detection_files import images_of, person_ids_of
    from mmktn.formats.file_layout import ImageFolder
    from mmktn.formats.json_files import read_json

    inputs = [args.gt, *(p for p in (args.model, args.checkpoint) if p and Path(p).exists())]
    claim_output(args.out, inputs=inputs, overwrite=args.overwrite)
    if not 0 <= args.score_thr < 1:
        raise UserError(f"--score-thr {args.score_thr}: 0 to 1 is possible")
    content = read_json(args.gt, "--gt")
    records = list(images_of(content, args.gt).values())
    category = min(person_ids_of(content, args.gt))
    folder = ImageFolder(args.images)
    detector = apis.DensePoseInferencer(
        args.model, args.checkpoint, device=args.device, cfg_options=args.cfg_options
    )
    label = person_label(detector.model, args.label)
    reader, entries, seen = _Reader(folder, args.max_pixels), [], set()
    progress = Console(stderr=True)
    images = track(records, "images", console=progress, disable=not progress.is_terminal)
    for batch in _batches(reader(images), args.batch_size):
        found = detector.predict([pixels for _, pixels in batch], channel_order="BGR")
        for (image, _), instances in zip(batch, found, strict=True):
            made = entries_of(instances, image, label=label, category=category, options=args)
            entries += made
            seen |= {image["id"]} if made else set()
    write_json(args.out, entries)
    sys.stdout.write(
        f"{len(entries)} boxes on {len(seen)} of {len(records)} images -> {args.out}\n"
    )
    if reader.failed:
        sys.stderr.write(f"detect: {reader.failed} images could not be read and have no boxes\n")
    return int(reader.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
