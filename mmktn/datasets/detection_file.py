"""Images and person boxes of COCO files, with one message for the first thing wrong.

Read by the pose datasets and by demo/pose_demo.py. The message names file, entry and fix; what is
fine is handed on as it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine import fileio

from mmktn.formats.json_files import parse_json
from mmktn.formats.shown import is_id, is_name_inside, shown
from mmktn.utils.user_error import UserError

DETECTION_FIELDS = ("image_id", "category_id", "bbox", "score")
COCO_PERSON = 1
"""The person's category where nothing says which it is."""


def read_json(path: str | Path, what: str) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        what: Its part, for the messages: a config key or an option.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no JSON.
    """
    if not fileio.isfile(str(path)):
        raise FileNotFoundError(f"{what}: no file {path}")
    return parse_json(fileio.get(str(path)), f"{what}: {path}")


def images_of(content: Any, path: str | Path) -> dict[Any, dict[str, Any]]:
    """Image records of a COCO annotation file by id.

    Args:
        content: The whole file.
        path: Its name, for the messages.

    Raises:
        ValueError: The file is of another kind, or an image lacks `id` or `file_name`.
    """
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list):
        found = sorted(content)[:5] if isinstance(content, dict) else f"a {_kind(content)}"
        raise ValueError(f"{path}: no list 'images'; a COCO annotation file is needed, not {found}")
    for index, image in enumerate(images):
        require_fields(image, ("id", "file_name"), f"image {index} of {path}")
        if not is_id(image["id"]) or not isinstance(image["file_name"], str):
            raise UserError(
                f"image {index} of {path}: id {shown(image['id'])} or file_name "
                f"{shown(image['file_name'])} is unusable; ids are whole numbers, names are text"
            )
        if not is_name_inside(image["file_name"]):
            raise UserError(
                f"image {index} of {path}: file_name {shown(image['file_name'])} leads out of the "
                "folder of images"
            )
    return {image["id"]: image for image in images}


def person_ids_of(content: Any, path: str | Path) -> set[int]:
    """Category ids of the person in a COCO file; detections carry the same number.

    Args:
        content: The whole file.
        path: Its name, for the messages.

    Returns:
        Ids of the categories called person; COCO's number 1 where the file lists no categories.

    Raises:
        UserError: The categories are no list of such entries, or none is a person.
    """
    categories = content.get("categories") if isinstance(content, dict) else None
    if categories is None:
        return {COCO_PERSON}
    if not isinstance(categories, list) or not all(
        isinstance(entry, dict) and is_id(entry.get("id")) for entry in categories
    ):
        raise UserError(f"{path}: field categories: {shown(categories)} is no list of categories")
    found = {entry["id"] for entry in categories if entry.get("name") == "person"}
    if not found:
        raise UserError(f"{path}: field categories: none has the name 'person'")
    return found


def detections_of(content: Any, path: str | Path) -> list[Any]:
    """Entries of a detection file in COCO result format.

    Args:
        content: The whole file.
        path: Its name, for the messages.

    Raises:
        ValueError: The file holds no list, or an empty one.
    """
    wanted = "a list of {image_id, category_id, bbox, score} is needed"
    if not isinstance(content, list):
        raise ValueError(f"detection file {path} holds a {_kind(content)}: {wanted}")
    if not content:
        raise ValueError(f"detection file {path} holds no detection: {wanted}")
    return content


def require_fields(entry: Any, fields: tuple[str, ...], where: str) -> None:
    """Check that an entry is a dict with some fields.

    Raises:
        ValueError: It is not, or one of them is missing.
    """
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is a {_kind(entry)}, not a dict with {', '.join(fields)}")
    for field in fields:
        if field not in entry:
            raise ValueError(f"{where} has no {field!r}; add it to each entry")


def image_of(
    entry: Mapping[str, Any], images: Mapping[Any, Any], where: str, *, source: str | Path
) -> Any:
    """What is stored for the image of an entry.

    Args:
        entry: Detection or annotation with `image_id`.
        images: By image id.
        where: The entry, for the message.
        source: File of the images, for the message.

    Raises:
        ValueError: The image is unknown.
    """
    image_id = entry["image_id"]
    if isinstance(image_id, Hashable) and image_id in images:
        return images[image_id]
    fix = "use the detections of this split"
    if isinstance(image_id, str) and image_id in {str(known) for known in images}:
        fix = "there ids are numbers: write it without quotes"
    raise ValueError(f"{where} is for image {image_id!r}, which {source} lacks; {fix}")


def box_of(entry: Mapping[str, Any], where: str) -> list[float]:
    """Box ``[x, y, w, h]`` of an entry; numbers after the fourth are left alone, as in mmpose.

    Raises:
        ValueError: Not four finite numbers.
    """
    box = entry["bbox"]
    try:
        values = np.asarray(box, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.ndim != 1 or len(values) < 4 or not np.isfinite(values).all():
        raise ValueError(
            f"{where}: bbox {box!r} is not x, y, width, height: write four finite numbers"
        )
    return values[:4].tolist()


def _kind(value: Any) -> str:
    return type(value).__name__
