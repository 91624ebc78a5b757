"""Draw dense labels over their images: boxes, charts, U, V and confidence.

python tools/misc/browse_dense_labels.py LABELS --ann-file ANN.json --img-dir DIR --out DIR
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.progress import track

from mmktn.formats.annotation_checks import AnnotationError, file_problems
from mmktn.formats.dense_labels import DenseLabelFolder
from mmktn.formats.iuv_canvas import paint_people
from mmktn.formats.json_files import read_json
from mmktn.formats.picture_writing import write_image
from mmktn.formats.pictures import PictureError, read_picture
from mmktn.structures.box_grid import ANNOTATION_GRID
from mmktn.utils.output_files import OVERWRITE_HELP, claim_folder, claim_output
from mmktn.utils.user_error import UserError, one_line_errors
from mmktn.visualization.colormaps import colormap_table
from mmktn.visualization.panels import panel_row, prediction_panels


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", help="folder of dense labels")
    parser.add_argument("--ann-file", required=True, help="annotation file: names of the images")
    parser.add_argument("--img-dir", required=True, help="folder of the images")
    parser.add_argument("--out", default="work_dirs/dense_labels", help="folder for the pictures")
    parser.add_argument("--max-images", type=int, default=20, help="0 for all")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def draw_image(
    image: np.ndarray, labels: DenseLabelFolder, records: list[dict[str, Any]]
) -> np.ndarray:
    """The panels of one image.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: Folder.
        records: Its records of the persons of the image.
    """
    boxes, maps = [], []
    for record in records:
        x, y, w, h = record["bbox"]
        boxes.append([x, y, x + w, y + h])
        size = (max(int(h), 1), max(int(w), 1))
        rows, columns = (
            ((np.arange(side) + 0.5) * ANNOTATION_GRID / side).astype(np.int64) for side in size
        )
        maps.append(labels.read(record["id"])[:, rows[:, None], columns])
    corners = np.array(boxes)
    canvas = paint_people(image.shape[:2], corners, iuvs=[dense[:3] for dense in maps])
    # Confidence takes the place of U, so that the same painter puts the same person on top.
    sure = paint_people(
        image.shape[:2], corners, iuvs=[np.stack((d[0], d[3], d[3])) for d in maps]
    ).iuv[1]
    texts = [f"{record['id']}" for record in records]
    panels = prediction_panels(image, canvas, boxes_xyxy=corners, texts=texts)
    confidence = np.where(canvas.mask[..., None], colormap_table("parula")[sure], 0)
    titles = ["persons", "charts I", "U", "V", "confidence"]
    return panel_row([*panels, confidence.astype(np.uint8)], titles=titles)


@one_line_errors("browse_dense_labels")
def main(argv: list[str] | None = None) -> int:
    """Draw; returns the exit status."""
    args = parse_args(argv)
    folder = claim_folder(args.out)
    by_image = defaultdict(list)
    labels = DenseLabelFolder(args.labels)
    for record in labels.records:
        by_image[record["image_id"]].append(record)
    data = read_json(args.ann_file, "--ann-file")
    problems = list(file_problems(data, args.ann_file, values=False))
    if problems:
        raise AnnotationError(problems)
    chosen = [image for image in data["images"] if image["id"] in by_image]
    chosen = chosen[: args.max_images] if args.max_images > 0 else chosen
    for image in track(chosen, "drawing", disable=not sys.stderr.isatty()):
        file = Path(args.img_dir) / image["file_name"]
        target = folder / f"{file.stem}.png"
        claim_output(target, inputs=[file, args.ann_file], overwrite=args.overwrite)
        try:
            pixels = read_picture(file)
        except PictureError as error:
            raise UserError(f"{file} {error}") from error
        picture = draw_image(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), labels, by_image[image["id"]])
        write_image(target, picture)
    print(f"{len(chosen)} pictures in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
