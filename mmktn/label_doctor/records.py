"""People of a DensePose-COCO file in the form that the checks read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.body_parts import PartScheme
from mmktn.annotation.neighbours import PlacedPoints
from mmktn.annotation.points import GRID
from mmktn.formats.annotation_checks import AnnotationError, file_problems, has_charts
from mmktn.formats.masks import NUM_PARTS, merge_dp_masks
from mmktn.formats.pictures import read_picture
from mmktn.surface.body_surface import BodySurface
from mmktn.utils.user_error import UserError


@dataclass(frozen=True)
class LabelledPerson:
    """A person of a file.

    Attributes:
        record: The annotation.
        image: Its image's record.
        surface: The body.
        scheme: Its parts.
    """

    record: dict[str, Any]
    image: dict[str, Any]
    surface: BodySurface
    scheme: PartScheme

    @property
    def id(self) -> Any:
        """Id of the annotation."""
        return self.record["id"]

    @cached_property
    def box(self) -> NDArray[np.float64]:
        """(4,) x, y, w, h in pixels."""
        return np.asarray(self.record["bbox"], np.float64)

    @property
    def has_points(self) -> bool:
        """Whether the person has points."""
        return bool(self.record.get("dp_x"))

    @cached_property
    def columns(self) -> NDArray[np.float64]:
        """(5, P) dp_x, dp_y, dp_I, dp_U, dp_V."""
        names = ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V")
        lists = [self.record.get(name) or [] for name in names]
        return np.asarray(lists, np.float64).reshape(5, -1)

    @cached_property
    def xy(self) -> NDArray[np.float64]:
        """(P, 2) points in the image, pixels."""
        return self.box[:2] + self.columns[:2].T * self.box[2:] / GRID

    @cached_property
    def charts(self) -> NDArray[np.int64]:
        """(P,) charts."""
        return self.columns[2].astype(np.int64)

    @cached_property
    def vertices(self) -> NDArray[np.int64]:
        """(P,) nearest mesh vertex of each point; -1 where the body has no such chart."""
        return self.surface.atlas.nearest_mesh_vertex(self.charts, *self.columns[3:])

    @cached_property
    def part_map(self) -> NDArray[np.uint8] | None:
        """(256, 256) parts over the box; None where the file has none."""
        masks = self.record.get("dp_masks")
        if not masks or len(masks) != NUM_PARTS or len(self.scheme.parts) > NUM_PARTS:
            return None
        return merge_dp_masks(masks)

    @cached_property
    def seen_parts(self) -> NDArray[np.int64]:
        """(P,) part that the map shows at each point, 0 off the person; -1 without a map."""
        if self.part_map is None:
            return np.full(len(self.xy), -1)
        column, row = np.clip(self.columns[:2].astype(np.int64), 0, GRID - 1)
        return self.part_map[row, column].astype(np.int64)

    @cached_property
    def own_parts(self) -> NDArray[np.int64]:
        """(P,) part of each point's chart."""
        return self.scheme.part_of_chart[self.charts]

    @cached_property
    def placed(self) -> PlacedPoints:
        """The points for comparison with their neighbours: grouped by what the photo shows."""
        parts = np.where(self.seen_parts > 0, self.seen_parts, self.own_parts)
        return PlacedPoints(self.xy, parts, self.vertices, self.surface)


def labelled_people(
    data: Any, name: str, surface: BodySurface, scheme: PartScheme
) -> list[LabelledPerson]:
    """Return the people of a file, crowds left out.

    Args:
        data: Content of the file.
        name: For messages.
        surface: The body of its charts.
        scheme: Its parts.

    Raises:
        AnnotationError: The checker finds something wrong, which has to be mended first.
        UserError: A person's points have vertices of a mesh and no charts.
    """
    problems = list(file_problems(data, name))
    if problems:
        raise AnnotationError(problems)
    for record in data["annotations"]:
        if record.get("dp_x") and not has_charts(record):
            raise UserError(
                f"{name}: annotation id {record['id']}: its points have vertices of a mesh, no "
                "charts, U and V, which the checks compare"
            )
    images = {image["id"]: image for image in data["images"]}
    people = {c["id"] for c in data["categories"] if c.get("name") == "person"}
    return [
        LabelledPerson(record, images[record["image_id"]], surface, scheme)
        for record in data["annotations"]
        if not record["iscrowd"] and record["category_id"] in people
    ]


def read_image(
    image: dict[str, Any], folder: Path, note: Callable[[str], None]
) -> NDArray[np.uint8] | None:
    """Return the picture of an image record.

    Args:
        image: The record.
        folder: Where the pictures lie.
        note: Told why a picture cannot be used.

    Returns:
        (H, W, 3) uint8 BGR; None where there is none that can be read, or of another size than the
        record's.
    """
    try:
        size = (image["height"], image["width"])
        return read_picture(folder / image["file_name"], expected_hw=size)
    except (OSError, UserError) as error:
        note(f"{image['file_name']}: {error}")
        return None
