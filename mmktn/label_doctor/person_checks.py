"""People and pictures that look wrong: doubles, missing points, wrong boxes, shared files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.points import GRID
from mmktn.formats.masks import segmentation_mask
from mmktn.formats.pictures import SUFFIXES
from mmktn.formats.shared_pictures import (
    PictureMark,
    SharedPair,
    mark_picture,
    shared_pictures,
)
from mmktn.label_doctor.findings import Finding
from mmktn.label_doctor.records import LabelledPerson
from mmktn.synthetic.annotate import tight_box
from mmktn.utils.user_error import UserError

_SAME_BOX = 0.85
_BOX_IOU = 0.75
"""Below this a box and the tight box of its outline disagree: published boxes are tight."""


def people_findings(people: Sequence[LabelledPerson]) -> Iterator[Finding]:
    """Return what is wrong with people as a whole."""
    by_image: dict[Any, list[LabelledPerson]] = {}
    for person in people:
        by_image.setdefault(person.record["image_id"], []).append(person)
    for group in by_image.values():
        yield from _duplicates(group)
    yield from _without_points(people)
    for person in people:
        yield from _box(person)


def _duplicates(group: Sequence[LabelledPerson]) -> Iterator[Finding]:
    """Yield two records of one person: boxes that coincide, or many of the same points."""
    for second in range(len(group)):
        for first in range(second):
            one, two = group[first], group[second]
            overlap = box_iou(one.box, two.box)
            common = _common_points(one, two)
            if overlap < _SAME_BOX and common < 0.5:
                continue
            identical = _same_labels(one, two)
            drop = two if len(two.xy) <= len(one.xy) else one
            # Of two people who stand behind each other both have an outline of their own.
            if not identical and common < 0.5 and _outlines_differ(one, two):
                continue
            text = (
                f"annotations {one.id} and {two.id}: boxes overlap by {100 * overlap:.0f} %, "
                f"{100 * common:.0f} % of the points are common"
            )
            fix = {"do": "drop annotation"} if identical else None
            severity = 0.55 + 0.4 * max(common, overlap if identical else 0.0)
            yield Finding("duplicate", severity, text, drop.record["image_id"], drop.id, fix=fix)


def _common_points(one: LabelledPerson, two: LabelledPerson) -> float:
    """Share of the points of the person with fewer that lie within 2 pixels of the other's."""
    if not len(one.xy) or not len(two.xy):
        return 0.0
    few, many = sorted((one.xy, two.xy), key=len)
    apart = np.linalg.norm(few[:, None] - many[None], axis=2).min(axis=1)
    return float((apart < 2).mean()) if len(few) >= 5 else 0.0


def _same_labels(one: LabelledPerson, two: LabelledPerson) -> bool:
    own = ({k: v for k, v in p.record.items() if k not in ("id", "mmktn")} for p in (one, two))
    first, second = own
    return first == second


def _outlines_differ(one: LabelledPerson, two: LabelledPerson) -> bool:
    outlines = [_outline(person) for person in (one, two)]
    if outlines[0] is None or outlines[1] is None:
        return False
    union = float((outlines[0] | outlines[1]).sum())
    return bool((outlines[0] & outlines[1]).sum() < 0.7 * union)


def _without_points(people: Sequence[LabelledPerson]) -> Iterator[Finding]:
    """Yield the people as large, and with as many keypoints, as those that have points."""
    have = [person for person in people if person.has_points]
    if not have:
        return
    least = float(np.quantile([_size(person) for person in have], 0.1))
    share = len(have) / max(sum(_size(person) >= least for person in people), 1)
    for person in people:
        marks = person.record.get("num_keypoints")
        if person.has_points or _size(person) < least or (marks is not None and marks < 6):
            continue
        text = (
            f"no points, though {_size(person):.0f} pixels large; of such people "
            f"{100 * min(share, 1):.0f} % have points"
        )
        severity = 0.2 + 0.5 * min(share, 1.0)
        yield Finding("no points", severity, text, person.record["image_id"], person.id)


def _size(person: LabelledPerson) -> float:
    return float(np.sqrt(person.box[2] * person.box[3]))


def _box(person: LabelledPerson) -> Iterator[Finding]:
    """Box against outline, and outline against the map of parts."""
    outline = _outline(person)
    if outline is None or not outline.any():
        return
    tight = tight_box(outline)
    overlap = box_iou(person.box, np.array(tight))
    if overlap < _BOX_IOU:
        text = f"the outline's box {tight} and the box overlap by {100 * overlap:.0f} %"
        yield Finding("box", 0.3 + 0.7 * (1 - overlap), text, person.record["image_id"], person.id)
        return
    if person.part_map is None:
        return
    cells = (np.arange(GRID) + 0.5) / GRID
    x = np.clip((person.box[0] + cells * person.box[2]).astype(int), 0, outline.shape[1] - 1)
    y = np.clip((person.box[1] + cells * person.box[3]).astype(int), 0, outline.shape[0] - 1)
    seen = outline[np.ix_(y, x)]
    parts = person.part_map > 0
    inside = float((parts & seen).sum() / max(parts.sum(), 1))
    if inside < 0.75:
        text = f"only {100 * inside:.0f} % of the parts lie in the outline"
        yield Finding("box", 0.9 - 0.7 * inside, text, person.record["image_id"], person.id)


def _outline(person: LabelledPerson) -> NDArray[np.bool_] | None:
    segmentation = person.record.get("segmentation")
    if not segmentation:
        return None
    size = (person.image["height"], person.image["width"])
    return segmentation_mask(segmentation, size) > 0


def box_iou(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Compute the overlap of two boxes x, y, w, h."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[:2] + first[2:], second[:2] + second[2:])
    common = float(np.clip(high - low, 0, None).prod())
    union = float(first[2:].prod() + second[2:].prod()) - common
    return common / union if union > 0 else 0.0


def picture_findings(
    images: Sequence[Mapping[str, Any]],
    folder: Path,
    other: Path | None = None,
    *,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[Finding]:
    """Yield pictures that are twice in the set, or also in another folder, whatever their size is.

    Args:
        images: Records of the set.
        folder: Their folder.
        other: Folder of another set; None looks into this one alone.
        note: Told of pictures that cannot be read.

    Yields:
        One finding per picture.
    """
    own = [(image, _mark(folder / image["file_name"], note)) for image in images]
    known = [(image, mark) for image, mark in own if mark is not None]
    marks = [mark for _, mark in known]
    pairs = [pair for pair in shared_pictures(marks, marks) if pair.second < pair.first]
    names = [str(image["file_name"]) for image, _ in known]
    yield from _shared(known, names, pairs)
    if other is not None:
        files = sorted(p for p in other.rglob("*") if p.suffix.lower() in SUFFIXES)
        found = [(str(path), _mark(path, note)) for path in files]
        others = [(name, mark) for name, mark in found if mark is not None]
        pairs = shared_pictures(marks, [mark for _, mark in others])
        yield from _shared(known, [name for name, _ in others], pairs)


def _shared(
    known: Sequence[tuple[Mapping[str, Any], PictureMark]],
    names: Sequence[str],
    pairs: Sequence[SharedPair],
) -> Iterator[Finding]:
    """Yield the likest counterpart of each picture."""
    said: set[int] = set()
    for pair in pairs:
        if pair.first in said:
            continue
        said.add(pair.first)
        image = known[pair.first][0]
        how = "is the same file as" if pair.exact else "looks the same as"
        severity = 0.95 if pair.exact else 0.85 * pair.likeness
        text = f"{image['file_name']} {how} {names[pair.second]}"
        yield Finding("shared picture", severity, text, image["id"])


def _mark(path: Path, note: Callable[[str], None]) -> PictureMark | None:
    try:
        return mark_picture(str(path))
    except (FileNotFoundError, UserError) as error:
        note(f"{path}: {error}")
        return None
