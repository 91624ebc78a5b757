"""Dense labels straight from the truth of the synthetic set: a teacher without error.

The upper bound of distillation, and what a teacher's labels are measured against.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.structures.box_grid import ANNOTATION_GRID
from mmktn.synthetic.annotate import DenseMaps


def dense_map_of_truth(
    maps: DenseMaps, instance: int, box_xywh: Sequence[float]
) -> NDArray[np.uint8]:
    """Labels of one person on the grid of its box; a cell shows the pixel under its centre.

    Args:
        maps: Truth of the image.
        instance: Number of the person in it, from 1.
        box_xywh: Its box.

    Returns:
        (4, 256, 256) uint8: chart, U, V (truncated bytes) and confidence 255.
    """
    x, y, w, h = box_xywh
    centre = (np.arange(ANNOTATION_GRID) + 0.5) / ANNOTATION_GRID
    height, width = maps.chart.shape
    columns = np.clip((x + centre * w).astype(np.int64), 0, width - 1)
    rows = np.clip((y + centre * h).astype(np.int64), 0, height - 1)
    cells = np.ix_(rows, columns)
    own = maps.instance[cells] == instance
    u, v = (maps.uv()[axis][cells] * 255 for axis in (0, 1))
    full = np.full(own.shape, 255)
    return (np.stack([maps.chart[cells], u, v, full]) * own).astype(np.uint8)


def read_truth(
    ann_file: str | Path, dense_dir: str | Path
) -> Iterator[tuple[dict[str, Any], NDArray[np.uint8]]]:
    """Go through the persons with dense pose of a synthetic split.

    Args:
        ann_file: Its annotation file.
        dense_dir: Folder with one .npz an image.

    Yields:
        Annotation record and its labels (4, 256, 256) uint8.

    Raises:
        FileNotFoundError: A file is missing; it is named.
        ValueError: An .npz lacks a map or is of another size than the image.
    """
    if not Path(ann_file).is_file():
        raise FileNotFoundError(f"annotation file not found: {ann_file}")
    content = json.loads(Path(ann_file).read_text(encoding="utf-8"))
    people = defaultdict(list)
    for record in content["annotations"]:
        people[record["image_id"]].append(record)
    for image in content["images"]:
        maps = _read_maps(Path(dense_dir) / f"{Path(image['file_name']).stem}.npz", image)
        for number, record in enumerate(people[image["id"]], start=1):
            if "dp_I" in record:
                yield record, dense_map_of_truth(maps, number, record["bbox"])


def _read_maps(path: Path, image: dict[str, Any]) -> DenseMaps:
    if not path.is_file():
        raise FileNotFoundError(f"dense truth not found: {path} (of image {image['id']})")
    with np.load(path, allow_pickle=False) as arrays:
        missing = {"instance", "chart", "u", "v"} - set(arrays.files)
        if missing:
            raise ValueError(f"{path}: field {min(missing)}: missing")
        maps = DenseMaps(*(arrays[name] for name in ("instance", "chart", "u", "v")))
    if maps.chart.shape != (image["height"], image["width"]):
        raise ValueError(f"{path}: field chart: {maps.chart.shape}, image {image['id']} has "
                         f"{(image['height'], image['width'])}")  # fmt: skip
    return maps
