"""What can be wrong with a DensePose-COCO file, found by one implementation for everybody.

The dataset raises the first problem as an `AnnotationError`; tools/misc/check_annotations.py lists
all of them. Field rules are DensePose-COCO's. Cheap checks read numbers only; masks are decoded by
`mask_problems` and images opened by `mmktn.formats.pictures`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mmktn.datasets.annotation_format import DENSEPOSE_COCO, AnnotationFormat
from mmktn.datasets.coarse_masks import merge_dp_masks

POINT_FIELDS = ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V")
DENSEPOSE_FIELDS = (*POINT_FIELDS, "dp_masks")
REQUIRED_FIELDS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
BOX_TOLERANCE_PX = 1.0
"""A box may stick out of its image by this much: published files round boxes."""

_POINT_RANGES = {
    "dp_x": (0, 256),
    "dp_y": (0, 256),
    "dp_I": (1, 24),
    "dp_U": (0, 1),
    "dp_V": (0, 1),
}
_MAX_SHOWN = 60


@dataclass(frozen=True)
class Problem:
    """One thing wrong in one field of one record.

    Attributes:
        file: Annotation (or image) file.
        annotation_id: Id of the annotation, None where the problem is not in an annotation.
        image_id: Id of the image, None where unknown.
        field: Name of the field.
        message: What is wrong with it, with the value.
    """

    file: str
    annotation_id: Any
    image_id: Any
    field: str
    message: str

    def __str__(self) -> str:
        place = [] if self.annotation_id is None else [f"annotation id {self.annotation_id}"]
        place += [] if self.image_id is None else [f"image id {self.image_id}"]
        return ", ".join([self.file, *place, f"field {self.field}"]) + f": {self.message}"

    def as_dict(self) -> dict[str, Any]:
        """The problem as a JSON-ready dict."""
        return asdict(self)


class AnnotationError(ValueError):
    """Bad data in an annotation file.

    Args:
        problems: At least one; the text is the first and the number of the others.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        text = str(self.problems[0])
        if len(self.problems) > 1:
            text += (
                f" (and {len(self.problems) - 1} more problems in this file; "
                "tools/misc/check_annotations.py lists them all)"
            )
        super().__init__(text)


Finding = tuple[str, str]
"""A field and what is wrong with it."""


def file_problems(data: Any, file: str, *, values: bool = True) -> Iterator[Problem]:
    """Check a whole annotation file, except for masks and images.

    Args:
        data: Content of the JSON file.
        file: Its name, for the messages.
        values: Also check boxes, keypoints and points; False stops at ids, links and missing
            fields.

    Yields:
        Problems in file order.
    """
    missing = [key for key in ("images", "annotations", "categories") if not _is_list(data, key)]
    if missing:
        for key in missing:
            yield Problem(file, None, None, key, "missing, or not a list")
        return
    yield from _image_record_problems(data["images"], file)
    images = {image["id"]: image for image in data["images"] if _has_id(image)}
    categories = {entry["id"]: entry for entry in data["categories"] if _has_id(entry)}
    seen: set[Any] = set()
    for position, annotation in enumerate(data["annotations"]):
        if not _has_id(annotation):
            yield Problem(file, None, None, "id", f"annotation number {position} has no usable id")
            continue
        found = list(_link_problems(annotation, seen, images, categories))
        seen.add(annotation["id"])
        if values and not found:
            image = images[annotation["image_id"]]
            keypoints = categories[annotation["category_id"]].get("keypoints")
            found += value_problems(
                annotation,
                image_hw=(image.get("height"), image.get("width")),
                num_keypoints=len(keypoints) if keypoints else 17,
            )
        for field, message in found:
            yield Problem(file, annotation["id"], annotation.get("image_id"), field, message)


def value_problems(
    annotation: dict[str, Any], *, image_hw: tuple[Any, Any], num_keypoints: int = 17
) -> Iterator[Finding]:
    """Check the numbers of one annotation: box, keypoints, points (not the masks' content).

    Args:
        annotation: Record of the JSON.
        image_hw: Size of its image.
        num_keypoints: K of the category.

    Yields:
        (field, message).
    """
    yield from box_problems(annotation.get("bbox"), image_hw)
    if has_keypoints(annotation):
        yield from keypoint_problems(annotation["keypoints"], num_keypoints)
    yield from point_problems(annotation)


def box_problems(bbox: Any, image_hw: tuple[Any, Any]) -> Iterator[Finding]:
    """Check a box [x, y, w, h]: four finite numbers, positive size, inside the image."""
    values = _numbers(bbox)
    if values is None or values.shape != (4,):
        yield "bbox", f"not [x, y, w, h]: {_shown(bbox)}"
        return
    if not np.isfinite(values).all():
        yield "bbox", f"not finite: {_shown(bbox)}"
        return
    x, y, w, h = values.tolist()
    if w <= 0 or h <= 0:
        yield "bbox", f"width and height must be positive: {_shown(bbox)}"
        return
    height, width = image_hw
    if not (_is_positive_int(height) and _is_positive_int(width)):
        return  # reported with the image record
    slack = BOX_TOLERANCE_PX
    if x < -slack or y < -slack or x + w > width + slack or y + h > height + slack:
        yield "bbox", f"outside the image of {width} x {height} (w x h): {_shown(bbox)}"


def keypoint_problems(keypoints: Any, num_keypoints: int) -> Iterator[Finding]:
    """Check COCO keypoints [x, y, v, ...]: 3 K finite numbers, v in 0, 1, 2."""
    values = _numbers(keypoints)
    if values is None or values.ndim != 1 or len(values) != 3 * num_keypoints:
        length = len(keypoints) if isinstance(keypoints, list | np.ndarray) else _shown(keypoints)
        yield "keypoints", f"{length} numbers, not {3 * num_keypoints} (x, y, v of each)"
        return
    if not np.isfinite(values).all():
        yield "keypoints", f"not finite at number {_first(~np.isfinite(values))}"
        return
    visible = values[2::3]
    bad = ~np.isin(visible, (0, 1, 2))
    if bad.any():
        yield "keypoints", f"v of keypoint {_first(bad)} is {visible[bad][0]:g}, not 0, 1 or 2"


def point_problems(annotation: dict[str, Any]) -> Iterator[Finding]:
    """Check dp_x, dp_y, dp_I, dp_U, dp_V and the presence of all dp_ fields.

    A record without any dp_ field is a person without dense pose and fine.
    """
    if not has_densepose(annotation):
        return
    for field in DENSEPOSE_FIELDS:
        if annotation.get(field) is None:
            yield field, "missing, while other dp_ fields are there"
    columns: dict[str, np.ndarray] = {}
    for field in POINT_FIELDS:
        if annotation.get(field) is None:
            continue
        values = _numbers(annotation[field])
        if values is None or values.ndim != 1:
            yield field, f"not a list of numbers: {_shown(annotation[field])}"
            continue
        columns[field] = values
        yield from _range_problems(field, values)
    lengths = {field: len(values) for field, values in columns.items()}
    if len(set(lengths.values())) > 1:
        usual = max(lengths.values(), key=list(lengths.values()).count)
        for field, length in lengths.items():
            if length != usual:
                yield field, f"{length} values, other dp_ fields have {usual}"


def mask_problems(
    annotation: dict[str, Any], form: AnnotationFormat = DENSEPOSE_COCO
) -> Iterator[Finding]:
    """Decode dp_masks, if there are any, and say what does not work (expensive)."""
    if annotation.get("dp_masks") is None:
        return
    try:
        merge_dp_masks(annotation["dp_masks"], form)
    except ValueError as error:
        yield "dp_masks", str(error)


def has_densepose(annotation: dict[str, Any]) -> bool:
    """Whether a record carries dense-pose fields."""
    return any(annotation.get(field) is not None for field in DENSEPOSE_FIELDS)


def has_keypoints(annotation: dict[str, Any]) -> bool:
    """Whether a record carries keypoints; PoseTrack has empty lists where it does not."""
    keypoints = annotation.get("keypoints", [])
    return not isinstance(keypoints, list | np.ndarray) or len(keypoints) > 0


def _range_problems(field: str, values: np.ndarray) -> Iterator[Finding]:
    """Non-finite values, values out of range, charts that are not whole; first culprit each."""
    finite = np.isfinite(values)
    if not finite.all():
        yield field, f"not finite at point {_first(~finite)}"
        return
    low, high = _POINT_RANGES[field]
    outside = (values < low) | (values > high)
    if outside.any():
        at = _first(outside)
        yield field, f"outside {low}..{high} at point {at}: {values[at]:g}"
    elif field == "dp_I" and (values != np.round(values)).any():
        at = _first(values != np.round(values))
        yield field, f"not a whole chart number at point {at}: {values[at]:g}"


def _image_record_problems(images: list[Any], file: str) -> Iterator[Problem]:
    """Ids, names and sizes of the image records."""
    seen: set[Any] = set()
    for position, image in enumerate(images):
        if not _has_id(image):
            yield Problem(file, None, None, "id", f"image number {position} has no usable id")
            continue
        image_id = image["id"]
        if image_id in seen:
            yield Problem(file, None, image_id, "id", "image id used more than once")
        seen.add(image_id)
        name = image.get("file_name")
        if not isinstance(name, str) or not name:
            yield Problem(file, None, image_id, "file_name", f"missing or no text: {_shown(name)}")
        for side in ("height", "width"):
            if not _is_positive_int(image.get(side)):
                message = f"missing or not a positive whole number: {_shown(image.get(side))}"
                yield Problem(file, None, image_id, side, message)


def _link_problems(
    annotation: dict[str, Any],
    seen: set[Any],
    images: dict[Any, Any],
    categories: dict[Any, Any],
) -> Iterator[Finding]:
    """Missing fields, repeated ids, ids that lead nowhere."""
    if annotation["id"] in seen:
        yield "id", "annotation id used more than once"
    for field in REQUIRED_FIELDS:
        if annotation.get(field) is None:
            yield field, "missing"
    for field, known in (("image_id", images), ("category_id", categories)):
        value = annotation.get(field)
        if value is not None and not (isinstance(value, int | str) and value in known):
            yield field, f"unknown id {_shown(value)}: no such entry in this file"


def _is_list(data: Any, key: str) -> bool:
    return isinstance(data, dict) and isinstance(data.get(key), list)


def _has_id(record: Any) -> bool:
    return isinstance(record, dict) and isinstance(record.get("id"), int | str)


def _is_positive_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _numbers(values: Any) -> np.ndarray | None:
    """A list of numbers as float64, None if it is not one."""
    if isinstance(values, np.ndarray):
        return values
    if not isinstance(values, list):
        return None
    try:
        array = np.asarray(values)
    except ValueError:
        return None
    return array.astype(np.float64) if array.dtype.kind in "iuf" or not values else None


def _first(mask: np.ndarray) -> int:
    return int(np.flatnonzero(mask)[0])


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."
