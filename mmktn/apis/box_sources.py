"""Where the boxes of people in a user's pictures come from: a file, a detector, the whole picture.

Each source is a function from a picture to its boxes; a picture that a source does not know is an
error of that picture alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import DefaultScope

from mmktn.apis.given_boxes import checked_boxes
from mmktn.apis.image_inputs import ImageInput
from mmktn.apis.inferencer import DensePoseInferencer
from mmktn.formats.detection_files import (
    box_of,
    image_of,
    images_of,
    person_ids_of,
    require_fields,
)
from mmktn.formats.json_files import read_json
from mmktn.formats.shown import is_id
from mmktn.utils.user_error import UserError

Boxes = tuple[np.ndarray, np.ndarray]
"""Boxes (N, 4) x1, y1, x2, y2 in pixels and their scores (N,)."""
BoxSource = Callable[[ImageInput, np.ndarray], Boxes]
"""From a picture's name and its pixels (H, W, 3) BGR to boxes."""


class NamedBoxes:
    """A JSON file that gives each picture's name its boxes.

    Args:
        path: File, `{"name.jpg": [[x1, y1, x2, y2], ...], ...}`, in pixels.

    Raises:
        FileNotFoundError: No such file.
        ValueError: It is no JSON file, or holds something else than a dict.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.table = read_json(path, "--boxes")
        if not isinstance(self.table, dict):
            raise UserError(
                f"--boxes: {path} holds a {type(self.table).__name__}, not a dict "
                '{"name.jpg": [[x1, y1, x2, y2], ...]}'
            )

    def of(self, image: ImageInput) -> np.ndarray:
        """Return the boxes (N, 4) of a picture, not yet clipped to it.

        Raises:
            UserError: The file has none for it, or they are no boxes.
        """
        if image.name not in self.table:
            raise UserError(f"--boxes: {self.path} has no entry {image.name!r}")
        where = f"--boxes: {self.path}, {json.dumps(image.name)}"
        return checked_boxes(self.table[image.name], where=where)


def boxes_from_coco(path: Path, images_json: Path | None, threshold: float) -> BoxSource:
    """Read boxes from COCO annotations, or from detections and the file that names their images.

    Pictures are found by file name; where several images have it, by the folders before it.

    Args:
        path: Annotations, or detections in COCO result format; of entries with a category those
            are taken whose category the file of the images calls person.
        images_json: Annotation file of the images of detections.
        threshold: Entries below this score are left out.

    Raises:
        FileNotFoundError: One of the files is missing.
        ValueError: The file is neither annotations nor detections, names an unknown image, or an
            entry has no usable box or score.
    """
    images, persons, entries, source = _images_and_entries(path, images_json)
    rows: dict[Any, list] = {image_id: [] for image_id in images}
    by_name: dict[str, list[tuple[Path, Any]]] = {}
    for index, (image_id, image) in enumerate(images.items()):
        if not isinstance(image["file_name"], str):
            raise UserError(f"image {index} of {source}: file_name is {image['file_name']!r}")
        name = Path(image["file_name"])
        by_name.setdefault(name.name, []).append((name, image_id))
    for index, entry in enumerate(entries):
        where = f"entry {index} of {path}"
        require_fields(entry, ("image_id",), where)
        image = image_of(entry, images, where, source=source)
        score = entry.get("score", 1.0)
        if isinstance(score, bool) or not isinstance(score, int | float) or not abs(score) < 1e9:
            raise UserError(f"{where}: score {score!r} is not a number")
        category = entry.get("category_id")
        wanted = category is None or (is_id(category) and category in persons)
        if wanted and score >= threshold and not entry.get("iscrowd"):
            require_fields(entry, ("bbox",), where)
            x, y, w, h = box_of(entry, where)
            rows[image["id"]].append([x, y, x + w, y + h, score])

    def look_up(image: ImageInput, _pixels: np.ndarray) -> Boxes:
        place = image.source if isinstance(image.source, Path) else Path(image.name)
        found = by_name.get(place.name, [])
        if len(found) > 1:
            found = [(name, i) for name, i in found if _ends_with(place.absolute(), name)]
        if len(found) != 1:
            count = "several images" if len(by_name.get(place.name, [])) > 1 else "no image"
            raise UserError(f"{source} has {count} of the name {place.name}")
        table = np.array(rows[found[0][1]], dtype=np.float64).reshape(-1, 5)
        return table[:, :4], table[:, 4]

    return look_up


def boxes_of_detector(
    config: str, checkpoint: str, *, device: str | None, threshold: float
) -> BoxSource:
    """Return the people that a detector finds.

    Args:
        config: Any config of mmdet whose label 0 is the person. Its parts are looked up in its own
            scope, whatever scope the pose model has set by then.
        checkpoint: Its weights.
        device: As in `DensePoseInferencer`.
        threshold: Lowest score.
    """
    detector = DensePoseInferencer(config, checkpoint, device=device)
    scope = detector.model.cfg.get("default_scope") or "mmdet"

    def detect(_image: ImageInput, pixels: np.ndarray) -> Boxes:
        with DefaultScope.overwrite_default_scope(scope):
            (found,) = detector.predict([pixels], channel_order="BGR")
        kept = (found.labels == 0) & (found.scores >= threshold)
        return found.bboxes[kept].float().cpu().numpy(), found.scores[kept].float().cpu().numpy()

    return detect


def whole_picture(_image: ImageInput, pixels: np.ndarray) -> Boxes:
    """Return the picture as one box."""
    height, width = pixels.shape[:2]
    return np.array([[0, 0, width, height]], dtype=np.float32), np.ones(1, dtype=np.float32)


def _images_and_entries(
    path: Path, images_json: Path | None
) -> tuple[dict[Any, dict[str, Any]], set[int], list[Any], Path]:
    """Image records by id, the person's category, annotations or detections, the images' file."""
    content = read_json(path, "--boxes")
    if isinstance(content, dict) and "annotations" in content:
        described, entries, source = content, content["annotations"], path
        if not isinstance(entries, list):
            raise UserError(f"{path}: 'annotations' is {entries!r}, not a list")
    elif isinstance(content, list):
        if images_json is None:
            raise UserError(f"{path} holds detections: give --images-json, which names the images")
        source = images_json
        described, entries = read_json(images_json, "--images-json"), content
    else:
        raise UserError(f"{path} is neither a COCO annotation file nor a list of detections")
    return images_of(described, source), person_ids_of(described, source), entries, source


def _ends_with(path: Path, end: Path) -> bool:
    return path.parts[-len(end.parts) :] == end.parts
