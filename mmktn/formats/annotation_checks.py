"""What can be wrong with a DensePose-COCO file, found by one implementation for everybody.

Data sets and metrics raise the first problem as an `AnnotationError`;
python -m mmktn check lists all of them. Cheap checks read numbers and segmentations;
`dp_masks` are decoded by `mask_problems` and images opened by `mmktn.formats.pictures`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mmktn.formats.annotation_sets import DENSEPOSE_COCO, AnnotationFormat
from mmktn.formats.limits import MAX_IMAGE_PIXELS
from mmktn.formats.masks import check_polygons, check_segmentation, number_list, part_runs
from mmktn.formats.shown import is_id, is_name_inside, is_number, shown
from mmktn.utils.user_error import UserError, one_line

POINT_FIELDS = ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V")
DENSEPOSE_FIELDS = (*POINT_FIELDS, "dp_masks")
VERTEX_FIELDS = ("dp_vertex", "ref_model")
"""Fields of continuous surface embeddings: the vertex of each point, and the mesh with it."""
PER_POINT_FIELDS = (*POINT_FIELDS, "dp_vertex")
"""Lists with one entry per point."""
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
        text = ", ".join([self.file, *place, f"field {self.field}"]) + f": {self.message}"
        return one_line(text)

    def as_dict(self) -> dict[str, Any]:
        """Return the problem as a JSON-ready dict."""
        return asdict(self)


class AnnotationError(UserError):
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
                "python -m mmktn check lists them all)"
            )
        super().__init__(text)


Finding = tuple[str, str]
"""A field and what is wrong with it."""


def file_problems(
    data: Any,
    file: str,
    *,
    values: bool = True,
    scoring: bool = False,
    categories: Collection[str] = ("person",),
) -> Iterator[Problem]:
    """Check a whole annotation file, except for masks and images.

    Args:
        data: Content of the JSON file.
        file: Its name, for the messages.
        values: Also check boxes, keypoints and points; False stops at ids, links, missing fields
            and segmentations.
        scoring: Take also what the official evaluator has a rule for: boxes without size or out of
            the image by at most its size, points on no chart, persons without part masks, images
            without a name.
        categories: Names of the categories that are read; the file has to have one of them.

    Yields:
        Problems in file order.
    """
    missing = [key for key in ("images", "annotations", "categories") if not _is_list(data, key)]
    if missing:
        for key in missing:
            yield Problem(file, None, None, key, "missing, or not a list")
        return
    yield from _image_record_problems(data["images"], file, needs_names=not scoring)
    yield from _category_problems(data["categories"], file, categories)
    images = {image["id"]: image for image in data["images"] if _has_id(image)}
    entries = {entry["id"]: entry for entry in data["categories"] if _has_id(entry)}
    seen: set[Any] = set()
    for position, annotation in enumerate(data["annotations"]):
        if not _has_id(annotation):
            yield Problem(file, None, None, "id", _without_id("annotation", position, annotation))
            continue
        found = list(_link_problems(annotation, seen, images, entries))
        seen.add(annotation["id"])
        if not found:
            image = images[annotation["image_id"]]
            image_hw = (image.get("height"), image.get("width"))
            found += segmentation_problems(annotation, image_hw)
            if values:
                keypoints = entries[annotation["category_id"]].get("keypoints")
                count = len(keypoints) if keypoints and isinstance(keypoints, list) else 17
                found += value_problems(
                    annotation, image_hw=image_hw, num_keypoints=count, scoring=scoring
                )
        for field, message in found:
            yield Problem(file, annotation["id"], annotation.get("image_id"), field, message)


def value_problems(
    annotation: dict[str, Any],
    *,
    image_hw: tuple[Any, Any],
    num_keypoints: int = 17,
    scoring: bool = False,
) -> Iterator[Finding]:
    """Check the numbers of one annotation: box, keypoints, points (not the masks' content).

    Args:
        annotation: Record of the JSON.
        image_hw: Size of its image.
        num_keypoints: K of the category.
        scoring: As in `file_problems`.

    Yields:
        (field, message).
    """
    yield from box_problems(annotation.get("bbox"), image_hw, scoring=scoring)
    area = annotation.get("area")
    if area is None or not is_number(area) or area < 0:
        yield "area", f"not a finite number of 0 or more: {shown(area)}"
    if has_keypoints(annotation):
        yield from keypoint_problems(annotation["keypoints"], num_keypoints)
    yield from point_problems(annotation, scoring=scoring)


def box_problems(
    bbox: Any, image_hw: tuple[Any, Any], *, scoring: bool = False
) -> Iterator[Finding]:
    """Check a box [x, y, w, h]: four finite numbers, positive size, inside the image."""
    values = number_list(bbox)
    if values is None or values.shape != (4,):
        yield "bbox", f"not [x, y, w, h]: {shown(bbox)}"
        return
    if not np.isfinite(values).all():
        yield "bbox", f"not finite: {shown(bbox)}"
        return
    x, y, w, h = values.tolist()
    if min(w, h) < 0 or (min(w, h) == 0 and not scoring):
        yield "bbox", f"width and height must be positive: {shown(bbox)}"
        return
    height, width = image_hw
    if not _is_size(height, width):
        return  # reported with the image record
    slack = max(height, width) if scoring else BOX_TOLERANCE_PX
    if x < -slack or y < -slack or x + w > width + slack or y + h > height + slack:
        yield "bbox", f"outside the image of {width} x {height} (w x h): {shown(bbox)}"


def keypoint_problems(keypoints: Any, num_keypoints: int) -> Iterator[Finding]:
    """Check COCO keypoints [x, y, v, ...]: 3 K finite numbers, v in 0, 1, 2."""
    values = number_list(keypoints)
    if values is None or values.ndim != 1 or len(values) != 3 * num_keypoints:
        length = len(keypoints) if isinstance(keypoints, list | np.ndarray) else shown(keypoints)
        yield "keypoints", f"{length} numbers, not {3 * num_keypoints} (x, y, v of each)"
        return
    if not np.isfinite(values).all():
        yield "keypoints", f"not finite at number {_first(~np.isfinite(values))}"
        return
    visible = values[2::3]
    bad = ~np.isin(visible, (0, 1, 2))
    if bad.any():
        yield "keypoints", f"v of keypoint {_first(bad)} is {visible[bad][0]:g}, not 0, 1 or 2"


def point_problems(annotation: dict[str, Any], *, scoring: bool = False) -> Iterator[Finding]:
    """Check dp_x, dp_y, dp_I, dp_U, dp_V and the presence of all dp_ fields.

    A record without any dp_ field is a person without dense pose and fine.
    """
    if not has_densepose(annotation):
        return
    for field in _needed_fields(annotation, scoring=scoring):
        if annotation.get(field) is None:
            yield field, "missing, while other dp_ fields are there"
    yield from _mesh_problems(annotation)
    columns: dict[str, np.ndarray] = {}
    for field in PER_POINT_FIELDS:
        if annotation.get(field) is None:
            continue
        values = number_list(annotation[field])
        if values is None or values.ndim != 1:
            yield field, f"not a list of numbers: {shown(annotation[field])}"
            continue
        columns[field] = values
        if field != "dp_I" or not scoring or not np.isfinite(values).all():
            yield from _range_problems(field, values)
    lengths = {field: len(values) for field, values in columns.items()}
    if len(set(lengths.values())) > 1:
        usual = max(lengths.values(), key=list(lengths.values()).count)
        for field, length in lengths.items():
            if length != usual:
                yield field, f"{length} values, other dp_ fields have {usual}"


def needed_problems(
    data: Any, file: str, needs: Collection[str], *, categories: Collection[str] = ("person",)
) -> Iterator[Problem]:
    """Check for what a system needs beyond sound records.

    Args:
        data: Content of the JSON file.
        file: Its name, for the messages.
        needs: "segmentation": of every person, crowds included, for a mask branch; "dense pose":
            of one person at least; "keypoints" and "vertices": the same.
        categories: Names of the categories that are read.

    Yields:
        Problems in file order.
    """
    if not all(_is_list(data, key) for key in ("annotations", "categories")):
        return
    persons = {c["id"] for c in data["categories"] if _has_id(c) and c.get("name") in categories}
    records = [
        a
        for a in data["annotations"]
        if _has_id(a) and is_id(a.get("category_id")) and a["category_id"] in persons
    ]
    for annotation in records if "segmentation" in needs else []:
        if not annotation.get("segmentation"):
            message = "missing; the mask branch needs it of every person"
            yield Problem(
                file, annotation["id"], annotation.get("image_id"), "segmentation", message
            )
    for need, has, field in (
        ("dense pose", has_densepose, "dp_x"),
        ("keypoints", has_keypoints, "keypoints"),
        ("vertices", has_vertices, "dp_vertex"),
    ):
        if need in needs and not any(map(has, records)):
            yield Problem(file, None, None, field, f"no person has {need}, which is trained")


def mask_problems(
    annotation: dict[str, Any], file_format: AnnotationFormat = DENSEPOSE_COCO
) -> Iterator[Finding]:
    """Decode dp_masks, if there are any, and say what does not work (expensive)."""
    if annotation.get("dp_masks") is None:
        return
    try:
        part_runs(annotation["dp_masks"], file_format)
    except UserError as error:
        yield "dp_masks", str(error)


def segmentation_problems(
    annotation: dict[str, Any], image_hw: tuple[Any, Any]
) -> Iterator[Finding]:
    """Check polygons or run-length code of a person; null and `[]` stand for none."""
    segmentation = annotation.get("segmentation")
    if segmentation is None or segmentation == [] or not _is_size(*image_hw):
        return
    try:
        check_segmentation(segmentation, image_hw)
    except UserError as error:
        yield "segmentation", str(error)


def has_densepose(annotation: dict[str, Any]) -> bool:
    """Whether a record carries dense-pose fields."""
    return any(annotation.get(field) is not None for field in (*DENSEPOSE_FIELDS, *VERTEX_FIELDS))


def has_charts(annotation: dict[str, Any]) -> bool:
    """Whether the points of a record carry charts, U and V."""
    return any(annotation.get(field) is not None for field in POINT_FIELDS[2:])


def has_vertices(annotation: dict[str, Any]) -> bool:
    """Whether the points of a record carry vertices of a mesh."""
    return annotation.get("dp_vertex") is not None and annotation.get("ref_model") is not None


def _needed_fields(annotation: dict[str, Any], *, scoring: bool) -> Sequence[str]:
    """Name the fields that have to be there because others are."""
    if not any(annotation.get(field) is not None for field in VERTEX_FIELDS):
        return POINT_FIELDS if scoring else DENSEPOSE_FIELDS
    charts = POINT_FIELDS[2:] if has_charts(annotation) else ()
    return ("dp_x", "dp_y", *charts, *VERTEX_FIELDS)


def _mesh_problems(annotation: dict[str, Any]) -> Iterator[Finding]:
    """Check the name of the mesh, and that no vertex lies beyond the number in it."""
    name = annotation.get("ref_model")
    if name is None:
        return
    if not isinstance(name, str) or not re.fullmatch(r"\w+", name):
        yield "ref_model", f"no name of a mesh (letters, digits, '_'): {shown(name)}"
        return
    count = re.search(r"_(\d+)$", name)
    values = number_list(annotation.get("dp_vertex"))
    if count and values is not None and values.ndim == 1 and np.isfinite(values).all():
        beyond = values >= int(count.group(1))
        if beyond.any():
            at = _first(beyond)
            yield "dp_vertex", f"point {at}: {name} has no vertex {values[at]:g}"


def has_keypoints(annotation: dict[str, Any]) -> bool:
    """Whether a record carries keypoints; PoseTrack has empty lists where it does not."""
    keypoints = annotation.get("keypoints", [])
    return not isinstance(keypoints, list | np.ndarray) or len(keypoints) > 0


def _range_problems(field: str, values: np.ndarray) -> Iterator[Finding]:
    """Find values that are not finite, out of range, or no whole chart; the first of each kind."""
    finite = np.isfinite(values)
    if not finite.all():
        yield field, f"not finite at point {_first(~finite)}"
        return
    low, high = _POINT_RANGES.get(field, (-1, np.inf))
    outside = (values < low) | (values > high)
    if outside.any():
        at = _first(outside)
        yield field, f"outside {low}..{high} at point {at}: {values[at]:g}"
    elif field in ("dp_I", "dp_vertex") and (values != np.round(values)).any():
        at = _first(values != np.round(values))
        kind = "chart" if field == "dp_I" else "vertex"
        yield field, f"not a whole {kind} number at point {at}: {values[at]:g}"


def _image_record_problems(images: list[Any], file: str, *, needs_names: bool) -> Iterator[Problem]:
    """Yield the ids, names, sizes and ignore regions of the image records."""
    seen: set[Any] = set()
    for position, image in enumerate(images):
        if not _has_id(image):
            yield Problem(file, None, None, "id", _without_id("image", position, image))
            continue
        image_id = image["id"]
        if image_id in seen:
            yield Problem(file, None, image_id, "id", "image id used more than once")
        seen.add(image_id)
        for field, message in _image_problems(image, needs_names=needs_names):
            yield Problem(file, None, image_id, field, message)


def _image_problems(image: dict[str, Any], *, needs_names: bool) -> Iterator[Finding]:
    """Name, size and ignore regions of one image."""
    name = image.get("file_name")
    if name is None and not needs_names:
        pass
    elif not isinstance(name, str) or not name:
        yield "file_name", f"missing or no text: {shown(name)}"
    elif not is_name_inside(name):
        yield "file_name", f"leads out of the folder of images: {shown(name)}"
    wrong = [side for side in ("height", "width") if not _is_positive_int(image.get(side))]
    for side in wrong:
        yield side, f"missing or not a positive whole number: {shown(image.get(side))}"
    if wrong:
        return
    height, width = image["height"], image["width"]
    if not _is_size(height, width):
        yield "height", f"{height} x {width} (h x w) is more than {MAX_IMAGE_PIXELS} pixels"
    else:
        yield from region_problems(image, (height, width))


def region_problems(image: dict[str, Any], image_hw: tuple[int, int]) -> Iterator[Finding]:
    """Check `ignore_regions_x` and `_y` (PoseTrack): as many lists of as many coordinates."""
    columns = []
    for field in ("ignore_regions_x", "ignore_regions_y"):
        lists = image.get(field) or []
        values = [number_list(region) for region in lists] if isinstance(lists, list) else [None]
        if any(value is None or value.ndim != 1 for value in values):
            yield field, f"not lists of numbers: {shown(lists)}"
            return
        columns.append([value for value in values if value is not None])
    lengths = [[len(value) for value in column] for column in columns]
    if lengths[0] != lengths[1]:
        yield "ignore_regions_y", "not as many regions and points as ignore_regions_x"
        return
    pairs = zip(*columns, strict=True)
    try:
        check_polygons([np.stack(pair, axis=1).reshape(-1) for pair in pairs], image_hw)
    except UserError as error:
        yield "ignore_regions_x", str(error)


def _category_problems(
    categories: list[Any], file: str, wanted: Collection[str]
) -> Iterator[Problem]:
    """Yield ids, names and keypoint names of the categories, one of which must be a wanted one."""
    seen: set[Any] = set()
    for position, category in enumerate(categories):
        if not _has_id(category):
            yield Problem(
                file, None, None, "categories", _without_id("category", position, category)
            )
            continue
        if category["id"] in seen:
            message = f"category id {category['id']} used more than once"
            yield Problem(file, None, None, "categories", message)
        seen.add(category["id"])
        name, keypoints = category.get("name"), category.get("keypoints")
        where = f"category {category['id']}: "
        if not isinstance(name, str):
            yield Problem(file, None, None, "categories", f"{where}name is no text: {shown(name)}")
        texts = isinstance(keypoints, list) and all(isinstance(entry, str) for entry in keypoints)
        if keypoints is not None and not texts:
            message = f"{where}keypoints are no list of names: {shown(keypoints)}"
            yield Problem(file, None, None, "categories", message)
    if not any(isinstance(c, dict) and c.get("name") in wanted for c in categories):
        names = " or ".join(repr(name) for name in wanted)
        yield Problem(file, None, None, "categories", f"none has the name {names}")


def _link_problems(
    annotation: dict[str, Any],
    seen: set[Any],
    images: dict[Any, Any],
    categories: dict[Any, Any],
) -> Iterator[Finding]:
    """Yield the missing fields, repeated ids, ids that lead nowhere."""
    if annotation["id"] in seen:
        yield "id", "annotation id used more than once"
    for field in REQUIRED_FIELDS:
        if annotation.get(field) is None:
            yield field, "missing"
    crowd = annotation.get("iscrowd")
    if crowd is not None and not (isinstance(crowd, int) and crowd in (0, 1)):
        yield "iscrowd", f"neither 0 nor 1: {shown(crowd)}"
    for field, known in (("image_id", images), ("category_id", categories)):
        value = annotation.get(field)
        if value is not None and not (is_id(value) and value in known):
            yield field, f"unknown id {shown(value)}: no such entry in this file"


def _is_list(data: Any, key: str) -> bool:
    return isinstance(data, dict) and isinstance(data.get(key), list)


def _has_id(record: Any) -> bool:
    return isinstance(record, dict) and is_id(record.get("id"))


def _without_id(what: str, position: int, record: Any) -> str:
    """Return what is wrong with a record that cannot be named by its id."""
    if not isinstance(record, dict):
        return f"{what} number {position} is no object but {shown(record)}"
    return f"{what} number {position} has no usable id: {shown(record.get('id'))}"


def _is_positive_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_size(height: Any, width: Any) -> bool:
    """Whether a height and a width are those of an image that may be held in memory."""
    whole = _is_positive_int(height) and _is_positive_int(width)
    return whole and height * width <= MAX_IMAGE_PIXELS


def _first(mask: np.ndarray) -> int:
    return int(np.flatnonzero(mask)[0])
