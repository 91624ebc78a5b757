"""Faults put into good labels on purpose, and how many of them the doctor finds.

People are rendered, so that their labels are exact, and placed anew by the simulated annotator, who
is off by some centimetres. Then faults of each kind are planted. Recall is the share of planted
faults that are found; *named* the share that is found under its own kind; precision the share of a
kind's findings at which something was planted.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmktn.annotation.body_parts import PartScheme, scheme_for
from mmktn.annotation.part_views import PartViews
from mmktn.annotation.points import GRID
from mmktn.annotation.simulated_annotator import AnnotatorNoise, SimulatedAnnotator
from mmktn.formats.annotation_checks import DENSEPOSE_FIELDS, PER_POINT_FIELDS, VERTEX_FIELDS
from mmktn.formats.masks import merge_dp_masks
from mmktn.label_doctor.findings import Finding
from mmktn.label_doctor.point_checks import opposite_vertices
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.symmetry import CHART_FLIP
from mmktn.synthetic import GeneratorOptions, SceneOptions, make_sample

POINT_KINDS = ("side", "front back", "seam", "off person", "off part", "far", "duplicate point")
PERSON_KINDS = ("part side", "duplicate", "no points", "box")
LEAST_M = 0.10
"""A planted place is at least so far from the right one: nearer ones are annotators' noise."""


@dataclass(frozen=True)
class Planted:
    """A fault that was put in.

    Attributes:
        kind: Its kind.
        annotation_id: The person.
        point: The point, None for faults of the whole person.
    """

    kind: str
    annotation_id: Any
    point: int | None = None


@dataclass(frozen=True)
class Score:
    """How well one kind of fault is found.

    Attributes:
        kind: Its kind.
        planted: How many there were.
        found: Of these, at how many there is a finding of any kind.
        named: At how many there is a finding of this kind.
        findings: Findings of this kind.
        right: Of these, at how many something was planted.
    """

    kind: str
    planted: int
    found: int
    named: int
    findings: int
    right: int

    @property
    def recall(self) -> float:
        """Share of planted faults that are found; nan without any."""
        return self.found / self.planted if self.planted else float("nan")

    @property
    def precision(self) -> float:
        """Share of findings with a planted fault; nan without any."""
        return self.right / self.findings if self.findings else float("nan")


def labelled_set(
    images: int,
    surface: BodySurface,
    views: Callable[[int], PartViews],
    *,
    surface_name: str | None = None,
    seed: int = 0,
    keep: Callable[[str, Any], None] | None = None,
) -> dict[str, Any]:
    """A set as good annotators would leave it: none of their points is on the wrong side.

    Args:
        images: How many pictures are rendered, of one or two people.
        surface: The body.
        views: Coarse part -> its views, on which the simulated annotator clicks.
        surface_name: Argument of `load_surface` that gives the body; None: its default.
        seed: Of all.
        keep: Called with file name and picture (H, W, 3) RGB.

    Returns:
        A DensePose-COCO file.
    """
    annotator = SimulatedAnnotator(surface, views, noise=AnnotatorNoise(side_confusion=0.0))
    named: dict[str, Any] = {} if surface_name is None else {"surface": surface_name}
    scene = SceneOptions(size_hw=(320, 256), people=(1, 2))
    options = GeneratorOptions(seed=seed, scene=scene, **named)
    records: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    atlas = surface.atlas
    for index in range(images):
        sample = make_sample(options, "val", index)
        image, found = sample.records["coco"]
        if keep is not None:
            keep(image["file_name"], sample.picture)
        records.append(image)
        rng = np.random.default_rng([seed, index])
        for record in found:
            charts = np.asarray(record["dp_I"], np.int64)
            true = atlas.nearest_mesh_vertex(charts, record["dp_U"], record["dp_V"])
            placed = annotator.annotate(true, rng=rng)
            # On a seam the chart that was asked for stays.
            for k, vertex in enumerate(placed.tolist()):
                _set_place(record, k, surface, vertex, prefer=int(charts[k]))
            annotations.append(record)
    keypoints = list(scheme_for(surface).keypoints)
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": keypoints}
    return {"images": records, "annotations": annotations, "categories": [category]}


def plant(
    data: dict[str, Any],
    surface: BodySurface,
    scheme: PartScheme,
    *,
    point_share: float = 0.05,
    person_share: float = 0.3,
    seed: int = 0,
) -> tuple[dict[str, Any], list[Planted]]:
    """Put faults into a copy of a set.

    Args:
        data: Good labels; not changed.
        surface: Their body.
        scheme: Its parts.
        point_share: Share of the points that get a fault.
        person_share: Share of the people that get a fault as a whole.
        seed: Of what is drawn.

    Returns:
        The new content, and what was planted where.
    """
    new = copy.deepcopy(data)
    rng = np.random.default_rng([seed, 77])
    planter = _Planter(surface, scheme, rng)
    planted: list[Planted] = []
    largest = max(record["id"] for record in new["annotations"])
    extra = []
    for record in list(new["annotations"]):
        if not record.get("dp_x"):
            continue
        if rng.random() < person_share:
            kind = PERSON_KINDS[int(rng.integers(len(PERSON_KINDS)))]
            made = planter.person(record, kind)
            if made is not None:
                if kind == "duplicate":
                    largest += 1
                    made["id"] = largest
                    extra.append(made)
                planted.append(Planted(kind, made["id"]))
            continue  # one fault per person: what is found is found for one reason
        count = len(record["dp_x"])
        for index in np.flatnonzero(rng.random(count) < point_share).tolist():
            kind = POINT_KINDS[int(rng.integers(len(POINT_KINDS)))]
            place = planter.point(record, index, kind)
            if place is not None:
                planted.append(Planted(kind, record["id"], place))
    new["annotations"] += extra
    return new, planted


def score(planted: Sequence[Planted], findings: Sequence[Finding]) -> list[Score]:
    """Precision and recall of every kind that was planted or found."""
    at: dict[tuple[Any, int | None], set[str]] = {}
    for fault in planted:
        at.setdefault((fault.annotation_id, fault.point), set()).add(fault.kind)
    whole = {fault.annotation_id for fault in planted if fault.point is None}
    found: dict[tuple[Any, int | None], set[str]] = {}
    hits: dict[str, list[bool]] = {}
    for finding in findings:
        places: list[int | None] = [None, *finding.points]
        keys = [(finding.annotation_id, point) for point in places]
        for key in keys:
            found.setdefault(key, set()).add(finding.kind)
        right = any(key in at for key in keys) or finding.annotation_id in whole
        hits.setdefault(finding.kind, []).append(right)
    scores = []
    for kind in (*POINT_KINDS, *PERSON_KINDS, *sorted(set(hits) - {*POINT_KINDS, *PERSON_KINDS})):
        own = [(f.annotation_id, f.point) for f in planted if f.kind == kind]
        scores.append(
            Score(
                *(kind, len(own)),
                sum(bool(found.get(key)) for key in own),
                sum(kind in found.get(key, ()) for key in own),
                *(len(hits.get(kind, ())), sum(hits.get(kind, ()))),
            )
        )
    return scores


class _Planter:
    """Puts single faults into records."""

    def __init__(self, surface: BodySurface, scheme: PartScheme, rng: np.random.Generator) -> None:
        self._surface, self._scheme, self._rng = surface, scheme, rng

    def person(self, record: dict[str, Any], kind: str) -> dict[str, Any] | None:
        """Change a record as a whole, or give a copy to be added; None where it cannot be done."""
        if kind == "duplicate":
            return copy.deepcopy(record)
        if kind == "no points":
            for name in (*DENSEPOSE_FIELDS, *VERTEX_FIELDS):
                record.pop(name, None)
            return record
        if kind == "box":
            x, y, w, h = record["bbox"]
            record["bbox"] = [x, y, round(0.6 * w, 2), round(0.75 * h, 2)]
            return record
        return self._swap_limb(record)

    def _swap_limb(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """Take a limb and its counterpart for each other, in points and map."""
        charts = np.asarray(record["dp_I"], np.int64)
        parts = self._scheme.part_of_chart[charts]
        limbs = [
            part.number
            for part in self._scheme.parts
            if part.mirror > part.number and "hand" not in part.name
            and min((parts == k).sum() for k in (part.number, part.mirror)) >= 3
        ]  # fmt: skip
        if not limbs or self._surface.symmetry is None:
            return None
        limb = limbs[int(self._rng.integers(len(limbs)))]
        other = self._scheme[limb].mirror
        for index in np.flatnonzero((parts == limb) | (parts == other)).tolist():
            self._mirror(record, index)
        masks = record["dp_masks"]
        masks[other - 1], masks[limb - 1] = masks[limb - 1], masks[other - 1]
        return record

    def point(self, record: dict[str, Any], index: int, kind: str) -> int | None:
        """Change a point; returns its index, None where it cannot be done."""
        if kind == "duplicate point":
            for name in record.keys() & set(PER_POINT_FIELDS):
                record[name].append(record[name][index])
            return len(record["dp_x"]) - 1
        if kind in ("off person", "off part"):
            return self._moved(record, index, kind)
        before = self._vertex(record, index)
        kept = {name: record[name][index] for name in ("dp_I", "dp_U", "dp_V")}
        if kind == "side":
            self._mirror(record, index)
        elif kind == "seam":
            edges = [a for a in ("dp_U", "dp_V") if not 0.15 < record[a][index] < 0.85]
            if not edges:
                return None
            axis = edges[int(self._rng.integers(len(edges)))]
            record[axis][index] = 1 - record[axis][index]
        elif kind == "front back":
            opposite = int(opposite_vertices(self._surface, self._scheme)[before])
            if opposite < 0:
                return None
            _set_place(record, index, self._surface, opposite)
        else:
            _set_place(record, index, self._surface, self._far(before))
        if self._surface.geodesics.distance(before, self._vertex(record, index)) < LEAST_M:
            for name, value in kept.items():
                record[name][index] = value
            return None
        return index

    def _far(self, vertex: int) -> int:
        """A vertex of the same part, at least 20 cm away if it has one."""
        parts = self._scheme.vertex_parts(self._surface)
        members = np.flatnonzero(parts == parts[vertex])
        distance = self._surface.geodesics.distance(vertex, members)
        far = members[distance > min(0.2, 0.8 * float(distance.max()))]
        return int(far[self._rng.integers(len(far))])

    def _moved(self, record: dict[str, Any], index: int, kind: str) -> int | None:
        """Move a point in the photo: off the person, or onto another part."""
        grid = merge_dp_masks(record["dp_masks"])
        part = int(self._scheme.part_of_chart[int(record["dp_I"][index])])
        rows, columns = np.nonzero(
            grid == 0 if kind == "off person" else (grid > 0) & (grid != part)
        )
        if kind == "off person":
            near = np.zeros(len(rows), bool)
            for dy, dx in ((-9, 0), (9, 0), (0, -9), (0, 9)):
                at = np.clip(rows + dy, 0, GRID - 1), np.clip(columns + dx, 0, GRID - 1)
                near |= grid[at] > 0
            rows, columns = rows[~near], columns[~near]
        if not len(rows):
            return None
        chosen = int(self._rng.integers(len(rows)))
        record["dp_x"][index] = float(columns[chosen]) + 0.5
        record["dp_y"][index] = float(rows[chosen]) + 0.5
        return index

    def _mirror(self, record: dict[str, Any], index: int) -> None:
        symmetry = self._surface.symmetry
        assert symmetry is not None
        chart = np.array([int(record["dp_I"][index])])
        u, v = symmetry.flip_uv(
            chart, np.array([record["dp_U"][index]]), np.array([record["dp_V"][index]])
        )
        record["dp_I"][index] = float(CHART_FLIP[chart][0])
        record["dp_U"][index], record["dp_V"][index] = float(u[0]), float(v[0])

    def _vertex(self, record: dict[str, Any], index: int) -> int:
        place = ([record[name][index]] for name in ("dp_I", "dp_U", "dp_V"))
        return int(self._surface.atlas.nearest_mesh_vertex(*place)[0])


def _set_place(
    record: dict[str, Any], index: int, surface: BodySurface, vertex: int, *, prefer: int = 0
) -> None:
    """Put a point on a mesh vertex; on a seam into the preferred chart."""
    atlas = surface.atlas
    copies = np.flatnonzero(atlas.mesh_vertex == vertex)
    chosen = copies[0]
    if prefer and atlas.charts[chosen] != prefer:
        chosen = next((k for k in reversed(copies) if atlas.charts[k] == prefer), chosen)
    record["dp_I"][index] = float(atlas.charts[chosen])
    record["dp_U"][index] = round(float(np.clip(atlas.u[chosen], 0, 1)), 6)
    record["dp_V"][index] = round(float(np.clip(atlas.v[chosen], 0, 1)), 6)
