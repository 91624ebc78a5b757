"""All checks of a file, and the changes that are safe."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.body_parts import PartScheme
from mmktn.formats.annotation_checks import PER_POINT_FIELDS, VERTEX_FIELDS
from mmktn.label_doctor.findings import KINDS, Finding, ranked
from mmktn.label_doctor.person_checks import people_findings, picture_findings
from mmktn.label_doctor.point_checks import point_findings
from mmktn.label_doctor.records import LabelledPerson, labelled_people, read_image
from mmktn.surface.body_surface import BodySurface
from mmktn.utils.user_error import UserError

_MODEL_GAP_M = 0.25


class PlaceModel(Protocol):
    """Anything that says where on the body the pixels of a box lie."""

    def places(
        self, image: NDArray[np.uint8], box_xyxy: NDArray[np.float64]
    ) -> tuple[NDArray[np.integer], NDArray[np.floating], tuple[int, int]]:
        """Charts (h, w), U and V (2, h, w), and column and row of their first pixel in the image.

        Args:
            image: (H, W, 3) uint8 BGR.
            box_xyxy: (4,) pixels.

        Raises:
            UserError: The model says nothing of this box.
        """


def examine(
    data: Any,
    name: str,
    *,
    surface: BodySurface,
    scheme: PartScheme,
    images: Path | None = None,
    other_images: Path | None = None,
    model: PlaceModel | None = None,
    kinds: Sequence[str] = tuple(KINDS),
    note: Callable[[str], None] = lambda _: None,
) -> list[Finding]:
    """Look a file over.

    Args:
        data: Content of the file.
        name: For messages.
        surface: The body of its charts, with distances.
        scheme: Its parts.
        images: Folder of its pictures; None leaves out what needs them.
        other_images: Folder of another set, to look for shared pictures.
        model: To compare places with.
        kinds: What to look for.
        note: Told of pictures that cannot be read, or are of another size than the file says, and
            of people of whom the model says nothing.

    Returns:
        Findings, worst first.

    Raises:
        AnnotationError: The file breaks rules of the format, which has to be mended first.
        UserError: A person's points have vertices of a mesh and no charts.
    """
    people = labelled_people(data, name, surface, scheme)
    found = list(people_findings(people))
    for person in people:
        if person.has_points:
            found += point_findings(person)
    if images is not None and "shared picture" in kinds:
        found += picture_findings(data["images"], images, other_images, note=note)
    if model is not None and images is not None:
        found += _model_findings(people, images, model, note)
    return ranked([finding for finding in found if finding.kind in kinds])


def _model_findings(
    people: Iterable[LabelledPerson],
    images: Path,
    model: PlaceModel,
    note: Callable[[str], None],
) -> list[Finding]:
    """Return the points whose place is far from the model's."""
    found = []
    for person in people:
        if not person.has_points:
            continue
        image = read_image(person.image, images, note)
        if image is None:
            continue
        x, y, w, h = person.box
        try:
            charts, uv, (left, top) = model.places(image, np.array([x, y, x + w, y + h]))
        except UserError as error:
            note(f"{person.image['file_name']}, annotation {person.id}: {error}")
            continue
        columns, rows = (np.floor(person.xy).astype(int) - (left, top)).T
        inside = (
            (columns >= 0) & (rows >= 0) & (columns < charts.shape[1]) & (rows < charts.shape[0])
        )
        column, row = np.where(inside, columns, 0), np.where(inside, rows, 0)
        said = np.where(inside, charts[row, column], 0).astype(np.int64)
        places = person.surface.atlas.nearest_mesh_vertex(said, *uv[:, row, column].astype(float))
        apart = person.surface.geodesics.distance(person.vertices, places)
        for index in np.flatnonzero(np.isfinite(apart) & (apart > _MODEL_GAP_M)).tolist():
            text = f"point {index}: the model's place is {100 * apart[index]:.0f} cm away"
            severity = 0.6 * float(apart[index]) / (float(apart[index]) + 0.4)
            found.append(
                Finding("model", severity, text, person.record["image_id"], person.id, (index,))
            )
    return found


def mended(
    data: dict[str, Any], findings: Iterable[Finding]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Make the safe changes on a copy.

    Safe are: points and people that stand there twice in all their fields (one goes), and points
    whose chart is that of the mirrored part while their mirror image fits part and neighbours (a
    person with such a point loses its vertices, `dp_vertex`, which it would contradict).

    Args:
        data: Content of the file; it is not changed.
        findings: What was found.

    Returns:
        The new content, and what changed: annotation id, what was done, before and after.
    """
    new = copy.deepcopy(data)
    records = {record["id"]: record for record in new["annotations"]}
    changes: list[dict[str, Any]] = []
    dropped_points: dict[Any, set[int]] = {}
    gone: set[Any] = set()
    for finding in findings:
        fix = finding.fix
        if fix is None or finding.annotation_id in gone:
            continue
        record = records[finding.annotation_id]
        change = {"annotation_id": finding.annotation_id, "kind": finding.kind, "did": fix["do"]}
        if fix["do"] == "drop annotation":
            gone.add(finding.annotation_id)
        elif fix["do"] == "drop point":
            dropped_points.setdefault(finding.annotation_id, set()).add(fix["point"])
            change["point"] = fix["point"]
        else:
            index = fix["point"]
            fields = ("dp_I", "dp_U", "dp_V")
            change |= {"point": index, "before": {f: record[f][index] for f in fields}}
            for name in fields:
                record[name][index] = fix[name]
            change["after"] = {f: record[f][index] for f in fields}
            # The vertex of the point was that of the other side.
            removed = [name for name in VERTEX_FIELDS if record.pop(name, None) is not None]
            change |= {"removed": removed} if removed else {}
        changes.append(change)
    for number, points in dropped_points.items():
        record = records[number]
        for name in record.keys() & set(PER_POINT_FIELDS):
            record[name] = [v for k, v in enumerate(record[name]) if k not in points]
    new["annotations"] = [record for record in new["annotations"] if record["id"] not in gone]
    return new, changes
