"""Draw dense labels over their images: boxes, charts, U, V and confidence.

python tools/misc/browse_dense_labels.py LABELS --ann-file ANN.json --img-dir DIR --out DIR
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.progress import track

from mmktn.datasets.dense_labels import DenseLabelFolder
from mmktn.formats.iuv_canvas import paint_people
from mmktn.formats.pictures import PictureError, read_picture
from mmktn.structures.box_grid import ANNOTATION_GRID
from mmktn.visualization.colormaps import colormap_table
from mmktn.visualization.iuv_files import write_image
from mmktn.visualization.panels import panel_row, prediction_panels


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", help="folder of dense labels")
    parser.add_argument("--ann-file", required=True, help="annotation file: names of the images")
    parser.add_argument("--img-dir", required=True, help="folder of the images")
    parser.add_argument("--out", default="work_dirs/dense_labels", help="folder for the pictures")
    parser.add_argument("--max-images", type=int, default=20, help="0 for all")
    return parser.parse_args()


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


def main() -> int:
    """Draw; returns the exit status."""
    args = parse_args()
    by_image = defaultdict(list)
    try:
        labels = DenseLabelFolder(args.labels)
        for record in labels.records:
            by_image[record["image_id"]].append(record)
        images = json.loads(Path(args.ann_file).read_text(encoding="utf-8"))["images"]
        chosen = [image for image in images if image["id"] in by_image]
        chosen = chosen[: args.max_images] if args.max_images > 0 else chosen
        for image in track(chosen, "drawing", disable=not sys.stderr.isatty()):
            file = Path(args.img_dir) / image["file_name"]
            try:
                pixels = read_picture(file)
            except PictureError as error:
                raise ValueError(f"{file} {error}") from error
            picture = draw_image(
                cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), labels, by_image[image["id"]]
            )
            write_image(Path(args.out) / f"{Path(image['file_name']).stem}.png", picture)
    except (OSError, ValueError) as error:
        print(f"browse_dense_labels: {error}", file=sys.stderr)
        return 1
    print(f"{len(chosen)} pictures in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
