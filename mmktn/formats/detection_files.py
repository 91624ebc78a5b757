"""Images and person boxes of COCO files, with one message for the first thing wrong.

The message names file, entry and fix; what is fine is handed on as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmktn.formats.shown import is_id, is_name_inside, is_number, shown
from mmktn.utils.user_error import UserError

COCO_PERSON = 1
"""The person's category where nothing says which it is."""


def images_of(content: Any, path: str | Path) -> dict[Any, dict[str, Any]]:
    """Return the image records of a COCO annotation file by id.

    Args:
        content: The whole file.
        path: Its name, for the messages.

    Raises:
        ValueError: The file is of another kind, or an image lacks `id` or `file_name`.
    """
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list):
        found = sorted(content)[:5] if isinstance(content, dict) else _kind(content)
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
    """Return the category ids of the person in a COCO file; detections carry the same number.

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


class Detection(NamedTuple):
    """One entry of a detection file.

    Attributes:
        where: Entry and file, for messages.
        image_id: As the file has it.
        category_id: The same.
        box_xywh: Four finite numbers, in pixels of the image.
        score: A finite number.
    """

    where: str
    image_id: Any
    category_id: int
    box_xywh: list[float]
    score: float


def detections_of(
    content: Any,
    path: str | Path,
    *,
    images: Mapping[Any, Any] | None = None,
    source: str | Path = "",
    categories: Collection[int] | None = None,
) -> Iterator[Detection]:
    """Yield entries of a detection file in COCO's result format, each checked when it is reached.

    Args:
        content: The whole file.
        path: Its name, for the messages.
        images: By id, all that detections may name; None where they are not known.
        source: File of the images, for the messages.
        categories: Entries of others are left out, whatever they hold; None takes all.

    Yields:
        The detections in the order of the file.

    Raises:
        ValueError: It is no list; an entry has not the fields; the text names it.
    """
    if not isinstance(content, list):
        raise UserError(
            f"detection file {path} holds {_kind(content)}: a list of "
            "{image_id, category_id, bbox, score} is needed"
        )
    for index, entry in enumerate(content):
        where = f"detection {index} of {path}"
        require_fields(entry, ("image_id", "category_id"), where)
        if images is not None:
            image_of(entry, images, where, source=source)
        if not is_id(entry["image_id"]) or not is_id(entry["category_id"]):
            raise UserError(
                f"{where}: image_id {shown(entry['image_id'])} or category_id "
                f"{shown(entry['category_id'])} is no whole number"
            )
        if categories is not None and entry["category_id"] not in categories:
            continue
        require_fields(entry, ("bbox", "score"), where)
        if not is_number(entry["score"]):
            raise UserError(f"{where}: score {shown(entry['score'])} is not a number")
        yield Detection(where, entry["image_id"], entry["category_id"], box_of(entry, where),
                        float(entry["score"]))  # fmt: skip


def require_fields(entry: Any, fields: tuple[str, ...], where: str) -> None:
    """Check that an entry is a dict with some fields.

    Raises:
        ValueError: It is not, or one of them is missing.
    """
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is {_kind(entry)}, not a dict with {', '.join(fields)}")
    for field in fields:
        if field not in entry:
            raise ValueError(f"{where} has no {field!r}; add it to each entry")


def image_of(
    entry: Mapping[str, Any], images: Mapping[Any, Any], where: str, *, source: str | Path
) -> Any:
    """Return what is stored for the image of an entry.

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
    return f"a {type(value).__name__}"
