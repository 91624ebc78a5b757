"""Into which parts annotators cut a body: the 14 of DensePose, one per chart, or a user's own.

A scheme is all that the annotation tools know of a kind of body, so that they serve animals, dolls
and organs as they serve people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.formats.json_files import read_json
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.parts import (
    CHART_NAMES,
    COARSE_PART_NAMES,
    COARSE_TO_CHARTS,
    COCO_KEYPOINT_NAMES,
    NUM_CHARTS,
    NUM_COARSE,
)
from mmktn.surface.symmetry import CHART_FLIP, COARSE_FLIP
from mmktn.utils.user_error import UserError

SCHEMES = ("coarse", "charts")


@dataclass(frozen=True)
class BodyPart:
    """A part that annotators outline.

    Attributes:
        number: From 1.
        name: What annotators read.
        charts: Its charts.
        mirror: Number of the part on the other side; its own where it lies in the middle.
    """

    number: int
    name: str
    charts: tuple[int, ...]
    mirror: int


@dataclass(frozen=True)
class PartScheme:
    """All parts of a kind of body.

    Attributes:
        subject: What is annotated, "person" for people.
        parts: In order of their numbers 1, 2, ...
        keypoints: Names of the third step; may be empty.
        is_human: Whether charts and parts are those of DensePose.
    """

    subject: str
    parts: tuple[BodyPart, ...]
    keypoints: tuple[str, ...] = ()
    is_human: bool = False

    @cached_property
    def part_of_chart(self) -> NDArray[np.int64]:
        """(25,) part of each chart, 0 for charts of no part."""
        table = np.zeros(NUM_CHARTS + 1, np.int64)
        for part in self.parts:
            table[list(part.charts)] = part.number
        return table

    def __getitem__(self, number: int) -> BodyPart:
        """Return the part of a number.

        Raises:
            ValueError: There is none.
        """
        if not 1 <= number <= len(self.parts):
            raise ValueError(f"part {number}: there are 1 to {len(self.parts)}")
        return self.parts[number - 1]

    def vertex_parts(self, surface: BodySurface) -> NDArray[np.int64]:
        """Return (V,) part of each mesh vertex; on a seam that of the first atlas vertex."""
        parts = np.zeros(surface.num_mesh_vertices, np.int64)
        atlas = surface.atlas
        parts[atlas.mesh_vertex[::-1]] = self.part_of_chart[atlas.charts[::-1]]
        return parts


def coarse_scheme() -> PartScheme:
    """Return the 14 parts of DensePose, two charts each but hands and feet."""
    parts = tuple(
        BodyPart(k, COARSE_PART_NAMES[k], COARSE_TO_CHARTS[k], int(COARSE_FLIP[k]))
        for k in range(1, NUM_COARSE + 1)
    )
    return PartScheme("person", parts, COCO_KEYPOINT_NAMES, True)


def chart_scheme(surface: BodySurface) -> PartScheme:
    """Return one part per chart: 24 for people, as many as it has for another body."""
    charts = np.unique(surface.atlas.charts).tolist()
    if charts == list(range(1, NUM_CHARTS + 1)):
        parts = tuple(
            BodyPart(k, CHART_NAMES[k], (k,), int(CHART_FLIP[k])) for k in range(1, NUM_CHARTS + 1)
        )
        return PartScheme("person", parts, COCO_KEYPOINT_NAMES, True)
    parts = tuple(BodyPart(k, f"chart {c}", (c,), k) for k, c in enumerate(charts, start=1))
    return PartScheme(surface.name, parts, tuple(surface.keypoints))


def scheme_for(surface: BodySurface, kind: str | None = None) -> PartScheme:
    """Return the usual scheme of a body.

    Args:
        surface: The body.
        kind: One of `SCHEMES`; None takes the 14 parts where the body has all 24 charts, else one
            part per chart.

    Raises:
        UserError: The 14 parts are asked for, and the body has other charts.
    """
    whole = np.unique(surface.atlas.charts).tolist() == list(range(1, NUM_CHARTS + 1))
    if kind == "charts" or (kind is None and not whole):
        return chart_scheme(surface)
    if not whole:
        raise UserError(
            f"parts 'coarse' are those of the 24 human charts; {surface.name} has other ones: "
            "name its parts in a file"
        )
    return coarse_scheme()


def read_scheme(parts: str | None, surface: BodySurface) -> PartScheme:
    """Return the parts that an option --parts asks for.

    Args:
        parts: One of `SCHEMES` or a JSON file (`scheme_from_json`); None: the usual ones.
        surface: The body.

    Raises:
        FileNotFoundError, UserError: The file cannot be used, or the body has other charts.
    """
    if parts is None or parts in SCHEMES:
        return scheme_for(surface, parts)
    return scheme_from_json(read_json(parts, "--parts"), surface, parts)


def scheme_from_json(content: Any, surface: BodySurface, name: str) -> PartScheme:
    """Read a scheme of a user.

    Args:
        content: `{"subject": "horse", "parts": [{"name": "trunk", "charts": [1, 2]}, {"name":
            "left leg", "charts": [3], "mirror": "right leg"}, ...], "keypoints": ["nose", ...]}`.
        surface: The body, whose charts are checked.
        name: The file, for the messages.

    Raises:
        UserError: Something is missing, named twice, or the body has no such chart.
    """
    entries = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise UserError(f'{name}: no list "parts" of {{"name": ..., "charts": [...]}}')
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    for position, part_name in enumerate(names):
        if not isinstance(part_name, str) or not part_name or names.index(part_name) < position:
            raise UserError(f"{name}: part {position + 1} has no name of its own: {part_name!r}")
    known = set(np.unique(surface.atlas.charts).tolist())
    taken: set[int] = set()
    parts = []
    for number, entry in enumerate(entries, start=1):
        charts = entry.get("charts")
        fine = isinstance(charts, list) and charts and all(type(c) is int for c in charts)
        if not fine or not set(charts) <= known - taken or len(set(charts)) < len(charts):
            raise UserError(
                f"{name}: part {entry['name']!r}: charts {charts!r} are not charts of "
                f"{surface.name} that no other part has (it has {sorted(known)})"
            )
        taken |= set(charts)
        mirror = entry.get("mirror", entry["name"])
        if mirror not in names:
            raise UserError(f"{name}: part {entry['name']!r}: mirror {mirror!r} is no part")
        parts.append(BodyPart(number, entry["name"], tuple(charts), names.index(mirror) + 1))
    _check_mirrors(parts, name)
    keypoints = content.get("keypoints", [])
    if not isinstance(keypoints, list) or not all(isinstance(k, str) and k for k in keypoints):
        raise UserError(f'{name}: "keypoints" is no list of names')
    if len(set(keypoints)) < len(keypoints):
        raise UserError(f'{name}: "keypoints" names one twice')
    subject = content.get("subject", surface.name)
    if not isinstance(subject, str) or not subject:
        raise UserError(f'{name}: "subject" is no text')
    return PartScheme(subject, tuple(parts), tuple(keypoints))


def _check_mirrors(parts: Sequence[BodyPart], name: str) -> None:
    """Whether the mirror of each part's mirror is the part."""
    for part in parts:
        if parts[part.mirror - 1].mirror != part.number:
            other = parts[part.mirror - 1]
            raise UserError(
                f"{name}: part {part.name!r} mirrors {other.name!r}, which mirrors "
                f"{parts[other.mirror - 1].name!r}"
            )
