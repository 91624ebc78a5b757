"""DensePose-COCO annotations as arrays, checked on the way in.

Source: DensePose-COCO annotation format. Nothing is repaired: a field that cannot be used raises
an error that names the annotation; annotations that the protocol ignores are counted in
``DensePoseTruth.notes``.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.formats.annotation_checks import (
    BOX_TOLERANCE_PX,
    POINT_FIELDS,
    AnnotationError,
    Problem,
    file_problems,
)
from mmktn.formats.annotation_names import local_annotation_file
from mmktn.formats.coco_fields import category_table, numbers, record_list, whole_id
from mmktn.formats.json_files import read_json
from mmktn.formats.limits import MAX_IMAGE_PIXELS
from mmktn.formats.masks import NUM_PARTS, PartMasks, check_part_masks
from mmktn.formats.shown import is_number, shown
from mmktn.utils.user_error import UserError

_SIDES = ("height", "width")


@dataclass(frozen=True)
class ImageInfo:
    """One image of the ground truth.

    Attributes:
        height: Pixels.
        width: Pixels.
        ignore_regions: Polygons [x0, y0, x1, y1, ...] in pixels, PoseTrack style.
    """

    height: int
    width: int
    ignore_regions: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class PersonTruth:
    """One annotated person.

    Attributes:
        annotation_id: Id in the file.
        image_id: Image.
        category_id: Category.
        box_xywh: (4,) box in image pixels.
        area: Area in pixels.
        is_crowd: COCO's iscrowd.
        has_points: Whether the annotation has dense-pose points (possibly zero of them).
        grid_xy: (P, 2) dp_x, dp_y on the grid of the box as in the file.
        charts: (P,) dp_I; numbers outside 1..24 are kept and left out of the mean.
        uv: (P, 2) dp_U, dp_V.
        part_masks: dp_masks, or None where absent.
        segmentation: COCO segmentation as in the file, or None.
        vertices: (P,) dp_vertex, or None where the annotation has none.
        mesh: ref_model, or None.
        has_charts: Whether the points have charts, U and V; else these are 0.
    """

    annotation_id: int
    image_id: int
    category_id: int
    box_xywh: NDArray[np.float64]
    area: float
    is_crowd: bool
    has_points: bool
    grid_xy: NDArray[np.float64]
    charts: NDArray[np.int64]
    uv: NDArray[np.float64]
    part_masks: PartMasks | None
    segmentation: Any
    vertices: NDArray[np.int64] | None = None
    mesh: str | None = None
    has_charts: bool = True

    def place(self, name: str) -> str:
        """Tell where the person stands in a file, for messages (as `Problem` says it)."""
        return f"{name}, annotation id {self.annotation_id}, image id {self.image_id}"


@dataclass
class DensePoseTruth:
    """Ground truth of a set of images.

    Attributes:
        images: Image id to its size and ignore regions.
        categories: Category id to name.
        persons: (image id, category id) to persons in file order.
        notes: Sentences on what the metrics will ignore, with counts.
        name: File or set name used in messages.
    """

    images: dict[int, ImageInfo]
    categories: dict[int, str]
    persons: dict[tuple[int, int], list[PersonTruth]]
    notes: list[str] = field(default_factory=list)
    name: str = "ground truth"

    @classmethod
    def from_file(
        cls, path: str | Path, *, categories: Collection[str] = ("person",)
    ) -> "DensePoseTruth":
        """Read a DensePose-COCO JSON file.

        Args:
            path: The file. Where it is missing, another name under which it circulates is tried.
            categories: Names of the categories that are evaluated; one has to be there.

        Returns:
            The ground truth.

        Raises:
            FileNotFoundError: There is no such file.
            UserError: It is no JSON, or has a value that the official evaluator has no rule for;
                the entry is named.
        """
        file = local_annotation_file(path) or path
        data = read_json(file, "ground truth (ann_file, --gt)")
        problems = list(file_problems(data, str(file), scoring=True, categories=categories))
        if problems:
            raise AnnotationError(problems)
        return cls.from_coco(data, name=str(file))

    @classmethod
    def from_coco(cls, data: Mapping[str, Any], name: str = "ground truth") -> "DensePoseTruth":
        """Take over a DensePose-COCO dictionary.

        Args:
            data: ``images``, ``annotations``, ``categories``.
            name: Used in messages.

        Returns:
            The ground truth.

        Raises:
            ValueError: An entry is unusable; the entry is named.
        """
        images = image_table(data, name)
        categories = category_table(data, name)
        persons: dict[tuple[int, int], list[PersonTruth]] = defaultdict(list)
        seen: set[int] = set()
        for place, entry in enumerate(record_list(data, "annotations", name)):
            person = _person(entry, name, place)
            check_reference(person.image_id, images, "image_id", person.annotation_id, name)
            check_reference(
                person.category_id, categories, "category_id", person.annotation_id, name
            )
            if person.annotation_id in seen:
                raise ValueError(f"{name}: annotation id {person.annotation_id} occurs twice")
            seen.add(person.annotation_id)
            persons[person.image_id, person.category_id].append(person)
        truth = cls(images, categories, dict(persons), name=name)
        truth.notes = _notes(truth)
        return truth

    def with_classes(self, class_of: Mapping[str, str]) -> "DensePoseTruth":
        """Return the same with classes of a model in place of the file's categories.

        Args:
            class_of: Name of a category -> class; others are left out.

        Returns:
            Ground truth whose categories are the classes, numbered in the order of `class_of`.
        """
        classes = list(dict.fromkeys(class_of.values()))
        number = {
            key: classes.index(class_of[name])
            for key, name in self.categories.items()
            if name in class_of
        }
        persons: dict[tuple[int, int], list[PersonTruth]] = defaultdict(list)
        order = (p for found in self.persons.values() for p in found if p.category_id in number)
        for person in order:
            label = number[person.category_id]
            persons[person.image_id, label].append(replace(person, category_id=label))
        return replace(self, categories=dict(enumerate(classes)), persons=dict(persons))

    def all_persons(self) -> list[PersonTruth]:
        """List all persons, by image and category."""
        return [p for key in sorted(self.persons) for p in self.persons[key]]


def image_table(data: Mapping[str, Any], name: str) -> dict[int, ImageInfo]:
    """Index the images of a COCO dictionary.

    Args:
        data: COCO dictionary.
        name: Used in messages.

    Returns:
        Image id to its size and ignore regions.

    Raises:
        ValueError: ``images`` or a field of an image is missing.
    """
    table = {}
    for place, image in enumerate(record_list(data, "images", name)):
        missing = [key for key in ("id", "height", "width") if key not in image]
        if missing:
            raise UserError(f"{name}: image {image.get('id', f'no. {place}')}: no field {missing}")
        key = whole_id(image["id"], f"{name}: image no. {place}: id")
        height, width = (whole_id(image[s], f"{name}: image {key}: {s}") for s in _SIDES)
        if min(height, width) < 1 or height * width > MAX_IMAGE_PIXELS:
            raise UserError(
                f"{name}: image {key}: height and width {height}, {width} are not those of an "
                f"image of at most {MAX_IMAGE_PIXELS} pixels"
            )
        columns = [image.get(f"ignore_regions_{axis}") or [] for axis in "xy"]
        try:
            polygons = tuple(
                tuple(float(v) for xy in zip(xs, ys, strict=True) for v in xy)
                for xs, ys in zip(*columns, strict=True)
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise UserError(f"{name}: image {key}: ignore_regions_x, _y: {error}") from error
        table[key] = ImageInfo(height, width, polygons)
    return table


def check_reference(
    key: int, table: Mapping[int, Any], field_name: str, annotation_id: int, name: str
) -> None:
    """Check that an annotation names a known image or category.

    Args:
        key: Id that is named.
        table: Known ids.
        field_name: Field of the annotation.
        annotation_id: Annotation.
        name: Used in messages.

    Raises:
        ValueError: The id is unknown.
    """
    if key not in table:
        raise ValueError(f"{name}: annotation {annotation_id}: unknown {field_name} {key}")


def _person(entry: Mapping[str, Any], name: str, place: int) -> PersonTruth:
    where = f"{name}: annotation {entry.get('id', f'no. {place}')}"
    missing = [key for key in ("id", "image_id", "category_id", "bbox") if key not in entry]
    if missing:
        raise ValueError(f"{where}: no field {missing}")
    box = numbers(entry["bbox"], f"{where}: bbox")
    if box.shape != (4,) or (box[2:] < 0).any():
        raise ValueError(f"{where}: bbox must be [x, y, w, h] with w, h >= 0, got {box.tolist()}")
    if box[2] * box[3] > MAX_IMAGE_PIXELS or box[2:].max() > MAX_IMAGE_PIXELS:
        raise UserError(f"{where}: bbox {box.tolist()} has more than {MAX_IMAGE_PIXELS} pixels")
    has_points = "dp_x" in entry
    points = _points(entry, where) if has_points else np.zeros((0, 5))
    vertices, mesh = _vertices(entry, where, len(points))
    if "area" not in entry:
        raise ValueError(f"{where}: no field ['area']; the area ranges need it")
    if not is_number(entry["area"]):
        raise UserError(f"{where}: area is no finite number: {shown(entry['area'])}")
    segmentation = entry.get("segmentation")
    key = whole_id(entry["id"], f"{where}: id")
    image_id = whole_id(entry["image_id"], f"{where}: image_id")
    try:
        masks = entry.get("dp_masks")
        part_masks = None if masks is None else check_part_masks(masks)
    except UserError as error:
        problem = Problem(name, key, image_id, "dp_masks", str(error))
        raise AnnotationError([problem]) from error
    return PersonTruth(
        annotation_id=key,
        image_id=image_id,
        category_id=whole_id(entry["category_id"], f"{where}: category_id"),
        box_xywh=box,
        area=float(entry["area"]),
        is_crowd=bool(entry.get("iscrowd", 0)),
        has_points=has_points,
        grid_xy=points[:, :2],
        charts=_whole_charts(points[:, 2]),
        uv=points[:, 3:],
        part_masks=part_masks,
        segmentation=None if segmentation == [] else segmentation,
        vertices=vertices,
        mesh=mesh,
        has_charts=not has_points or "dp_I" in entry,
    )


def _points(entry: Mapping[str, Any], where: str) -> NDArray[np.float64]:
    named = "dp_vertex" in entry and "dp_I" not in entry
    needed = POINT_FIELDS[:2] if named else POINT_FIELDS
    missing = [key for key in needed if key not in entry]
    if missing:
        raise ValueError(f"{where}: has dp_x but no field {missing}")
    fields = [numbers(entry[key], f"{where}: {key}") for key in needed]
    lengths = {key: values.size for key, values in zip(needed, fields, strict=True)}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"{where}: lengths differ: {lengths}")
    points = np.stack([values.reshape(-1) for values in fields], axis=1)
    return np.pad(points, ((0, 0), (0, len(POINT_FIELDS) - len(needed))))


def _vertices(
    entry: Mapping[str, Any], where: str, count: int
) -> tuple[NDArray[np.int64] | None, str | None]:
    """Return dp_vertex and ref_model, None where they are not there."""
    mesh = entry.get("ref_model")
    if entry.get("dp_vertex") is None or mesh is None:
        return None, None if mesh is None else str(mesh)
    vertices = numbers(entry["dp_vertex"], f"{where}: dp_vertex").reshape(-1)
    if len(vertices) != count:
        raise UserError(f"{where}: {len(vertices)} values in dp_vertex, {count} in dp_x")
    return vertices.astype(np.int64), str(mesh)


def _whole_charts(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Put 0 for fractions, which are no chart in the official comparison with 1..24."""
    whole = (values == np.floor(values)) & (np.abs(values) < 2**53)
    return np.where(whole, values, 0).astype(np.int64)


def _notes(truth: DensePoseTruth) -> list[str]:
    persons = truth.all_persons()
    kinds = {
        "annotations without dense-pose points (ignored: a detection on them counts neither way)": [
            p for p in persons if not p.has_points
        ],
        "annotations with an empty list of points (they count, their GPS is 0)": [
            p for p in persons if p.has_points and not len(p.charts)
        ],
        "annotations with points on no chart 1..24 (those points are left out of the mean)": [
            p for p in persons if ((p.charts < 1) | (p.charts > 24)).any()
        ],
        "annotations with neither dp_masks nor segmentation (empty mask: IoU and GPSm are 0)": [
            p for p in persons if p.has_points and p.part_masks is None and p.segmentation is None
        ],
        "annotations with a box of zero size": [
            p for p in persons if not (p.box_xywh[2:] > 0).all()
        ],
        "annotations with a box that leaves its image (the part inside counts)": [
            p for p in persons if _leaves(p.box_xywh, truth.images[p.image_id])
        ],
        f"annotations with other than {NUM_PARTS} dp_masks (the first {NUM_PARTS} count)": [
            p
            for p in persons
            if p.part_masks is not None and p.part_masks.count not in (1, NUM_PARTS)
        ],
    }
    return [f"{len(found)} {what}: {listed(found)}" for what, found in kinds.items() if found]


def _leaves(box: NDArray[np.float64], image: ImageInfo) -> bool:
    x, y, w, h = box.tolist()
    slack = BOX_TOLERANCE_PX
    return min(x, y) < -slack or x + w > image.width + slack or y + h > image.height + slack


_SHOWN_IDS = 8


def listed(persons: Sequence[PersonTruth]) -> str:
    """Name annotations in a sentence.

    Args:
        persons: The persons; eight of them are written out.

    Returns:
        For example ``"ids 3, 8, 12 and 4 more"``.
    """
    ids = ", ".join(str(p.annotation_id) for p in persons[:_SHOWN_IDS])
    return f"ids {ids}" + (
        f" and {len(persons) - _SHOWN_IDS} more" if len(persons) > _SHOWN_IDS else ""
    )
