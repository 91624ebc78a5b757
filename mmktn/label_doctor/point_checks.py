"""Points that look wrong: sides, front and back, seams, off the person, far from everything.

A place is compared with those of the five nearest points of the same part. Where it does not fit
and a certain change makes it fit (the mirror image; the other side of the limb; the other edge of
the chart), the change names the fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.body_parts import PartScheme
from mmktn.annotation.neighbours import GAIN, SIDE_RATIO, NeighbourDistances
from mmktn.annotation.points import GRID
from mmktn.label_doctor.findings import Finding
from mmktn.label_doctor.records import LabelledPerson
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.mesh import SurfaceMesh
from mmktn.surface.symmetry import CHART_FLIP

_BORDER_CELLS = 4
"""A point so near to its part on the map counts as on it: outlines are drawn by hand."""
_FACING = 0.35
"""Cosine between normals beyond which two places look to opposite sides."""
_AGREEING = 0.9
"""Share of the part's points that must look to one side, for another one to stand out."""
_NEARER = 0.7
"""How much nearer to the neighbours the other side must be."""
_KEYPOINT_REACH = 0.08
"""Share of the box's longer side within which a keypoint says something on a point."""
_KEYPOINT_GAP_M = 0.3


def point_findings(person: LabelledPerson) -> Iterator[Finding]:
    """Find what is wrong with a person's points, at most one finding each, and limbs' sides."""
    yield from _repeated(person)
    mirrored: set[int] = set()
    for finding in _sides_of_limbs(person):
        mirrored.update(finding.points)
        yield finding
    for index in range(len(person.xy)):
        if person.vertices[index] < 0 or index in mirrored:
            continue
        found = (
            _side(person, index)
            or _off(person, index)
            or _front_back(person, index)
            or _misplaced(person, index)
            or _far_from_keypoint(person, index)
        )
        if found is not None:
            yield found


def _finding(
    person: LabelledPerson,
    kind: str,
    severity: float,
    message: str,
    index: int,
    fix: dict[str, Any] | None = None,
) -> Finding:
    image_id = person.record["image_id"]
    return Finding(
        kind, float(np.clip(severity, 0, 1)), message, image_id, person.id, (index,), fix=fix
    )


def _severity(metres: float) -> float:
    """0.5 at 20 cm, 0.8 at 80 cm, 1 where no path along the skin leads from one to the other."""
    return 1 - 0.2 / (metres + 0.2)


def _repeated(person: LabelledPerson) -> Iterator[Finding]:
    """Yield the points of one place in the photo."""
    seen: dict[tuple[float, float], int] = {}
    for index, (x, y) in enumerate(person.columns[:2].T.round(1).tolist()):
        first = seen.setdefault((x, y), index)
        if first == index:
            continue
        apart = float(
            person.surface.geodesics.distance(person.vertices[first], person.vertices[index])
        )
        same = bool((person.columns[:, first] == person.columns[:, index]).all())
        fix = {"do": "drop point", "point": index} if same else None
        text = f"points {first} and {index} lie at ({x:g}, {y:g}), {100 * apart:.0f} cm apart"
        yield _finding(person, "duplicate point", 0.35 + _severity(apart) / 2, text, index, fix)


def _fit(person: LabelledPerson, index: int, vertex: int | None = None) -> NeighbourDistances:
    placed = person.placed
    part = int(placed.parts[index])
    chosen = int(person.vertices[index]) if vertex is None else vertex
    return placed.fit(placed.xy[index], part, chosen, without=index)


def _side(person: LabelledPerson, index: int) -> Finding | None:
    """Find points whose mirrored part or place fits, and whose own does not."""
    mirror = person.surface.vertex_mirror
    if mirror is None:
        return None
    own, seen = int(person.own_parts[index]), int(person.seen_parts[index])
    other_side = own > 0 and seen > 0 and own != seen and person.scheme[own].mirror == seen
    fit = _fit(person, index)
    flipped = _fit(person, index, int(mirror[person.vertices[index]]))
    fits = bool(flipped.misfit_m < GAIN * fit.misfit_m) and not flipped.is_far()
    lonely = bool(np.isnan(fit.misfit_m))
    within = own == 0 or seen <= 0 or person.scheme[own].mirror == own == seen
    strays = within and fits and fit.is_far(SIDE_RATIO) and len(fit.neighbours) >= 2
    if not strays and not (other_side and (fits or lonely)):
        return None
    text = (
        f"point {index}: {100 * fit.misfit_m:.0f} cm from its neighbours, the mirrored place "
        f"{100 * flipped.misfit_m:.0f} cm"
    )
    severity = 0.3 + 0.7 * _severity(0.0 if lonely else fit.misfit_m)
    fix = _mirrored(person, index) if other_side and fits else None
    return _finding(person, "side", severity, text, index, fix)


def _mirrored(person: LabelledPerson, index: int) -> dict[str, Any] | None:
    """Return the change that mirrors a point; None where the body has no tables for it."""
    symmetry = person.surface.symmetry
    if symmetry is None:
        return None
    chart = person.charts[index : index + 1]
    u, v = symmetry.flip_uv(
        chart, person.columns[3, index : index + 1], person.columns[4, index : index + 1]
    )
    place = {"dp_I": float(CHART_FLIP[chart][0]), "dp_U": float(u[0]), "dp_V": float(v[0])}
    return {"do": "set point", "point": index, **place}


def _off(person: LabelledPerson, index: int) -> Finding | None:
    """Find points off the person, or on another part than the chart's."""
    if person.part_map is None:
        return None
    own, seen = int(person.own_parts[index]), int(person.seen_parts[index])
    if own == seen or own == 0:
        return None
    column, row = np.clip(person.columns[:2, index].astype(np.int64), 0, GRID - 1)
    around = person.part_map[
        max(row - _BORDER_CELLS, 0) : row + _BORDER_CELLS + 1,
        max(column - _BORDER_CELLS, 0) : column + _BORDER_CELLS + 1,
    ]
    if (around == own).any() or (seen == 0 and around.any()):
        return None
    name = person.scheme[own].name
    if seen == 0:
        text = f"point {index} of {name} lies off the person"
        return _finding(person, "off person", 0.75, text, index)
    fit = _fit(person, index)
    text = f"point {index} of {name} lies on {person.scheme[seen].name}"
    misfit = 0.2 if np.isnan(fit.misfit_m) else fit.misfit_m
    return _finding(person, "off part", 0.3 + 0.6 * _severity(misfit), text, index)


def _front_back(person: LabelledPerson, index: int) -> Finding | None:
    """Find points whose place looks away from where the other points of the part look."""
    placed = person.placed
    part = int(placed.parts[index])
    others = (placed.parts == part) & (person.vertices >= 0)
    others[index] = False
    if others.sum() < 3:
        return None
    mesh = cast("SurfaceMesh", person.surface.require("mesh").mesh)
    normals = mesh.vertex_normals[person.vertices[others]]
    view = np.median(normals, axis=0)
    length = float(np.linalg.norm(view))
    # A part that is seen from its end shows all around: nothing can be said.
    if length < 0.5:
        return None
    vertex = int(person.vertices[index])
    opposite = int(opposite_vertices(person.surface, person.scheme)[vertex])
    if opposite < 0:
        return None
    facing = float(mesh.vertex_normals[vertex] @ view / length)
    other = float(mesh.vertex_normals[opposite] @ view / length)
    agreeing = float((normals @ view / length > 0).mean())
    fit, flipped = _fit(person, index), _fit(person, index, opposite)
    turned = facing < -_FACING and other > _FACING and agreeing >= _AGREEING
    if not turned or flipped.misfit_m > _NEARER * fit.misfit_m:
        return None
    text = (
        f"point {index} looks away from the other {int(others.sum())} points of its part; the "
        f"other side is {100 * flipped.misfit_m:.0f}, not {100 * fit.misfit_m:.0f} cm from them"
    )
    severity = 0.25 + 0.4 * -facing + 0.35 * _severity(fit.misfit_m)
    return _finding(person, "front back", severity, text, index)


def _misplaced(person: LabelledPerson, index: int) -> Finding | None:
    """Find points far from their neighbours: over a seam where its other edge fits, else far."""
    fit = _fit(person, index)
    if len(fit.neighbours) < 2 or not fit.is_far(SIDE_RATIO):
        return None
    chart, (u, v) = person.charts[index : index + 1], person.columns[3:, index]
    edges = []
    for axis, (new_u, new_v) in (("U", (1 - u, v)), ("V", (u, 1 - v))):
        value = (u, v)[axis == "V"]
        if min(value, 1 - value) > 0.25:
            continue
        vertex = int(person.surface.atlas.nearest_mesh_vertex(chart, [new_u], [new_v])[0])
        edges.append((_fit(person, index, vertex).misfit_m, axis, value))
    if edges:
        least, axis, value = min(edges)
        if least < GAIN * fit.misfit_m:
            text = (
                f"point {index}: {axis} = {value:.2f} is {100 * fit.misfit_m:.0f} cm from its "
                f"neighbours, {1 - value:.2f} is {100 * least:.0f} cm"
            )
            severity = 0.3 + 0.6 * _severity(fit.misfit_m)
            return _finding(person, "seam", severity, text, index)
    if not fit.is_far():
        return None
    text = (
        f"point {index}: {100 * fit.misfit_m:.0f} cm along the skin from its neighbours, where the "
        f"photo lets expect {100 * fit.expected_m:.0f}"
    )
    return _finding(person, "far", 0.9 * _severity(fit.misfit_m - fit.expected_m), text, index)


def _far_from_keypoint(person: LabelledPerson, index: int) -> Finding | None:
    """Find points far from a keypoint of the part that the photo shows there."""
    part = int(person.placed.parts[index])
    scale = person.placed.scale_m
    if not part or not np.isfinite(scale):
        return None
    marks = _visible_keypoints(person)
    vertices = keypoint_vertices(person.surface)
    reach = _KEYPOINT_REACH * person.box[2:].max()
    for name in part_keypoints(person.surface, person.scheme)[part]:
        if name not in marks:
            continue
        pixels = float(np.linalg.norm(marks[name] - person.xy[index]))
        apart = float(person.surface.geodesics.distance(person.vertices[index], vertices[name]))
        if pixels < reach and apart > _KEYPOINT_GAP_M + 3 * scale * pixels:
            text = (
                f"point {index} is {100 * apart:.0f} cm from the {name}, in the photo "
                f"{pixels:.0f} pixels"
            )
            return _finding(person, "keypoint", 0.7 * _severity(apart), text, index)
    return None


def _sides_of_limbs(person: LabelledPerson) -> Iterator[Finding]:
    """Yield the limbs whose points lie at the keypoints of the other side."""
    marks = _visible_keypoints(person)
    belongs = part_keypoints(person.surface, person.scheme)
    for part in person.scheme.parts:
        members = np.flatnonzero((person.own_parts == part.number) & (person.vertices >= 0))
        if part.mirror == part.number or len(members) < 2:
            continue
        own = [marks[name] for name in belongs[part.number] if name in marks]
        other = [marks[name] for name in belongs[part.mirror] if name in marks]
        if not own or len(own) != len(other):
            continue
        centre = np.median(person.xy[members], axis=0)
        to_own, to_other = (
            float(np.linalg.norm(np.mean(ends, axis=0) - centre)) for ends in (own, other)
        )
        gap = to_own - to_other
        if to_other < 0.45 * to_own and gap > 0.06 * float(person.box[2:].max()):
            text = (
                f"{part.name}: its {len(members)} points are {to_own:.0f} pixels from its own "
                f"keypoints, {to_other:.0f} from those of {person.scheme[part.mirror].name}"
            )
            yield Finding(
                *("part side", 0.85, text, person.record["image_id"], person.id),
                tuple(int(k) for k in members),
            )


def _visible_keypoints(person: LabelledPerson) -> dict[str, NDArray[np.float64]]:
    """Name -> (2,) place in the image, of keypoints that are labelled."""
    flat = person.record.get("keypoints") or []
    names = person.scheme.keypoints
    if len(flat) != 3 * len(names):
        return {}
    rows = np.asarray(flat, np.float64).reshape(-1, 3)
    return {name: row[:2] + 0.5 for name, row in zip(names, rows, strict=True) if row[2] > 0}


@lru_cache(maxsize=4)
def keypoint_vertices(surface: BodySurface) -> dict[str, int]:
    """Keypoint -> nearest mesh vertex of the rest body."""
    if surface.mesh is None:
        return {}
    vertices = surface.mesh.vertices
    return {
        name: int(np.linalg.norm(vertices - place, axis=1).argmin())
        for name, place in surface.keypoints.items()
    }


@lru_cache(maxsize=4)
def part_keypoints(surface: BodySurface, scheme: PartScheme) -> dict[int, tuple[str, ...]]:
    """Part -> keypoints that lie in it or at its ends: within 12 cm of its nearest vertex.

    Only those that have a counterpart on the mirrored part are named.
    """
    found: dict[int, list[str]] = {part.number: [] for part in scheme.parts}
    if surface.mesh is None:
        return {number: tuple(names) for number, names in found.items()}
    parts = scheme.vertex_parts(surface)
    for name, place in surface.keypoints.items():
        if name not in scheme.keypoints or not name.startswith(("left", "right")):
            continue
        distance = np.linalg.norm(surface.mesh.vertices - place, axis=1)
        for part in scheme.parts:
            own = distance[parts == part.number]
            if part.mirror != part.number and len(own) and own.min() < 0.12:
                found[part.number].append(name)
    for part in scheme.parts:
        swapped = {_other(name) for name in found[part.mirror]}
        found[part.number] = [name for name in found[part.number] if name in swapped]
    return {number: tuple(sorted(names, key=_core)) for number, names in found.items()}


def _other(name: str) -> str:
    side, _, rest = name.partition("_")
    return f"{'right' if side == 'left' else 'left'}_{rest}"


def _core(name: str) -> str:
    return name.partition("_")[2]


@lru_cache(maxsize=4)
def opposite_vertices(surface: BodySurface, scheme: PartScheme) -> NDArray[np.int64]:
    """Return (V,) for each mesh vertex one behind it on the other side of its part; -1 for none.

    The vertex whose line of sight from the vertex is most along the normal, among those that look
    the other way.
    """
    mesh = cast("SurfaceMesh", surface.require("mesh").mesh)
    parts = scheme.vertex_parts(surface)
    result = np.full(mesh.num_vertices, -1, np.int64)
    for part in scheme.parts:
        members = np.flatnonzero(parts == part.number)
        places, normals = mesh.vertices[members], mesh.vertex_normals[members]
        for vertex, place, normal in zip(members, places, normals, strict=True):
            ahead = (place - places) @ normal
            aside = np.linalg.norm(place - places - ahead[:, None] * normal, axis=1)
            behind = (ahead > 1e-6) & (normals @ normal < -0.3)
            if behind.any():
                cost = np.where(behind, aside + 0.1 * ahead, np.inf)
                result[vertex] = members[int(cost.argmin())]
    return result
