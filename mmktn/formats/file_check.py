"""Check a DensePose-COCO file completely: records, masks and images, listing every problem.

The dataset uses the same rules but stops at the first problem (`annotation_checks`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, TypeVar

from mmktn.formats.annotation_checks import (
    Problem,
    file_problems,
    mask_problems,
    needed_problems,
)
from mmktn.formats.annotation_file import read_annotation_file
from mmktn.formats.annotation_sets import DENSEPOSE_COCO, AnnotationFormat
from mmktn.formats.file_layout import ImageFolder, find_annotation_file
from mmktn.formats.pictures import PictureError, known_hw, read_picture
from mmktn.formats.shown import is_id
from mmktn.utils.stored_files import is_stored_file

Item = TypeVar("Item")
Tracker = Callable[[Iterable[Item], str], Iterable[Item]]
"""Wraps a list for a progress display: `(items, what)` -> the same items."""


def check_file(
    path: str,
    image_dir: str | None = None,
    *,
    file_format: AnnotationFormat = DENSEPOSE_COCO,
    decode_images: bool = False,
    needs: Collection[str] = (),
    track: Tracker | None = None,
) -> Iterator[Problem]:
    """Check an annotation file.

    Args:
        path: JSON file. Where it is missing, another name under which it circulates is tried.
        image_dir: Folder of its images; None leaves the images out.
        file_format: What the set allows.
        decode_images: Also open every image; otherwise only its presence is checked.
        needs: What a system needs, as in `needed_problems`.
        track: Progress display.

    Yields:
        All problems: records first, then masks, then images.

    Raises:
        FileNotFoundError: The JSON file or the image folder does not exist.
        ValueError: The file is not JSON.
    """
    track = track or (lambda items, _: items)
    path = find_annotation_file(path, file_format=file_format)
    data = read_annotation_file(path)
    names = categories_of(data)
    yield from file_problems(data, path, categories=names)
    if not isinstance(data, dict):
        return
    yield from needed_problems(data, path, needs, categories=names)
    for annotation in track(_records(data, "annotations"), "masks"):
        for field, message in mask_problems(annotation, file_format):
            yield Problem(path, annotation.get("id"), annotation.get("image_id"), field, message)
    if image_dir is not None:
        folder = ImageFolder(image_dir)
        for image in track(_records(data, "images"), "images"):
            yield from _image_problems(image, path, folder, decode=decode_images)


def categories_of(data: Any) -> tuple[str, ...]:
    """Name the categories that a file is about: persons, else those with vertices of a mesh."""
    if not isinstance(data, dict):
        return ("person",)
    named = (a.get("category_id") for a in _records(data, "annotations") if a.get("ref_model"))
    meshed = {category for category in named if is_id(category)}
    entries = _records(data, "categories")
    found = [e.get("name") for e in entries if is_id(e.get("id")) and e["id"] in meshed]
    names = tuple(name for name in found if isinstance(name, str))
    if not names or any(entry.get("name") == "person" for entry in entries):
        return ("person",)
    return names


def needs_of(dataset: Any) -> set[str]:
    """Return what a config's data set has to find in its file, by the steps of its pipeline.

    Args:
        dataset: Config of a data set, or of a wrapper with `dataset` or `datasets`.

    Returns:
        Words of `needed_problems`.
    """
    needs: set[str] = set()
    if isinstance(dataset, list | tuple):
        return needs.union(*map(needs_of, dataset))
    if not isinstance(dataset, dict):
        return needs
    needs |= needs_of(dataset.get("dataset")) | needs_of(dataset.get("datasets"))
    if dataset.get("only_densepose_images"):
        needs.add("dense pose")
    for step in dataset.get("pipeline") or ():
        if isinstance(step, dict) and step.get("with_mask"):
            needs.add("segmentation")
        if isinstance(step, dict) and str(step.get("type")).endswith("LoadDensePoseAnnotations"):
            needs.add("dense pose")
    if dict(dataset.get("filter_cfg") or {}).get("min_keypoints"):
        needs.add("keypoints")
    return needs


def _image_problems(
    image: dict[str, Any], path: str, folder: ImageFolder, *, decode: bool
) -> Iterator[Problem]:
    """Yield the presence of an image file and, if `decode`, its content."""
    if not isinstance(image.get("file_name"), str):
        return  # reported with the records
    file = folder.path_of(image)
    message = None
    if not is_stored_file(file):
        message = f"{file} not found"
    elif decode:
        try:
            read_picture(file, expected_hw=known_hw(image))
        except PictureError as error:
            message = f"{file} {error}"
    if message is not None:
        yield Problem(path, None, image.get("id"), "file_name", message)


def _records(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the usable records of a list; what else stands there is reported elsewhere."""
    records = data.get(key)
    return [r for r in records if isinstance(r, dict)] if isinstance(records, list) else []
