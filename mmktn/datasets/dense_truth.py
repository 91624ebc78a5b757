"""Dense labels straight from the truth of the synthetic set: a teacher without error.

The upper bound of distillation, and what a teacher's labels are measured against.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.formats.annotation_checks import AnnotationError, file_problems
from mmktn.formats.dense_truth import read_dense_truth
from mmktn.formats.json_files import read_json
from mmktn.structures.box_grid import ANNOTATION_GRID
from mmktn.synthetic.annotate import DenseTruth

_MAPS = ("instance", "chart", "u", "v")


def labels_of_truth(
    maps: DenseTruth, instance: int, box_xywh: Sequence[float]
) -> NDArray[np.uint8]:
    """Return labels of one person on the grid of its box; a cell shows the pixel under its centre.

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
    content = read_json(ann_file, "annotation file")
    problems = list(file_problems(content, str(ann_file)))
    if problems:
        raise AnnotationError(problems)
    people = defaultdict(list)
    for record in content["annotations"]:
        people[record["image_id"]].append(record)
    for image in content["images"]:
        path = Path(dense_dir) / f"{Path(image['file_name']).stem}.npz"
        image_hw, what = (image["height"], image["width"]), f"dense truth of image {image['id']}"
        maps = DenseTruth(**read_dense_truth(path, image_hw, _MAPS, what=what))
        for number, record in enumerate(people[image["id"]], start=1):
            if "dp_I" in record:
                yield record, labels_of_truth(maps, number, record["bbox"])
