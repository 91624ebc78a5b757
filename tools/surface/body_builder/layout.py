"""From the half body with regions to the whole body with 24 flattened charts.

U and V run as in the official charts where published results show how (docs/surface.md); the right
side copies the left side's layout.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from flatten import Flattening, tutte
from numpy.typing import NDArray

from body_builder import regions, shape
from mmktn.surface.symmetry import CHART_FLIP

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

# how the mirror changes (U, V) of a chart
FLIP_U = np.isin(np.arange(1, 25), (3, 4, 5, 6, 23, 24))
FLIP_V = np.isin(np.arange(1, 25), (1, 2))
_UV_STEPS = 2.0**20


@dataclass
class WholeBody:
    """Mirrored mesh with charts, as arrays of the surface file."""

    vertices: Array
    faces: Ints
    mirror: Ints
    face_charts: Ints
    atlas_mesh_vertex: Ints
    atlas_chart: Ints
    atlas_uv: Array
    atlas_faces: Ints


def mirror_mesh(vertices: Array, faces: Ints) -> tuple[Array, Ints, Ints]:
    """Whole mesh from the left half: vertices, faces (left first), mirrored vertex of each."""
    count = len(vertices)
    partner = np.arange(count)
    off = np.flatnonzero(vertices[:, 0] != 0)
    partner[off] = count + np.arange(len(off))
    whole = np.concatenate([vertices, vertices[off] * [-1.0, 1.0, 1.0]])
    both = np.concatenate([faces, partner[faces][:, ::-1]])
    return whole, both, np.concatenate([partner, off])


def lay_out(vertices: Array, faces: Ints, labels: Ints) -> WholeBody:
    """Mirror the half body, cut it into charts and flatten them.

    Args:
        vertices: (V, 3) left half, rim at x = 0.
        faces: (F, 3).
        labels: (F,) regions.

    Returns:
        The body.
    """
    vertices = vertices.astype(np.float32).astype(np.float64)
    whole, both, mirror = mirror_mesh(vertices, faces)
    chart_of_region = np.array([regions.REGION_CHART[name] for name in regions.REGIONS])
    left = chart_of_region[labels]
    face_charts = np.concatenate([left, CHART_FLIP[left]])
    seams = _cut_edges(vertices, faces, labels)
    cut = {tuple(sorted(e)) for e in seams} | {
        tuple(sorted(mirror[list(e)].tolist())) for e in seams
    }
    atlas_faces, atlas_vertex = split_vertices(both, face_charts, cut)
    atlas_chart = np.zeros(len(atlas_vertex), dtype=np.int64)
    atlas_chart[atlas_faces] = face_charts[:, None]
    uv = _flatten_all(whole, both, atlas_faces, atlas_vertex, atlas_chart, face_charts)
    order = np.lexsort((atlas_vertex, atlas_chart))
    rank = np.argsort(order)
    return WholeBody(
        whole,
        both,
        mirror,
        face_charts,
        atlas_vertex[order],
        atlas_chart[order],
        uv[order],
        rank[atlas_faces],
    )


def split_vertices(faces: Ints, face_charts: Ints, cut: set[tuple[int, ...]]) -> tuple[Ints, Ints]:
    """Give each vertex one copy per fan of faces that no chart border or cut separates.

    Returns:
        Faces on copies (F, 3) and the mesh vertex of each copy (A,).
    """
    corner = np.arange(3 * len(faces)).reshape(-1, 3)
    parent = list(range(3 * len(faces)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    seen: dict[tuple[int, int], tuple[int, int, int]] = {}
    for f, face in enumerate(faces.tolist()):
        for k in range(3):
            a, b = face[k], face[(k + 1) % 3]
            edge = (min(a, b), max(a, b))
            ends = (int(corner[f, k]), int(corner[f, (k + 1) % 3]))
            if a > b:
                ends = ends[::-1]
            if edge not in seen:
                seen[edge] = (f, *ends)
                continue
            other, low, high = seen[edge]
            if face_charts[other] == face_charts[f] and edge not in cut:
                parent[root(low)] = root(ends[0])
                parent[root(high)] = root(ends[1])
    roots = np.array([root(i) for i in range(3 * len(faces))])
    unique, inverse = np.unique(roots, return_inverse=True)
    return inverse.reshape(-1, 3), faces.ravel()[unique]


def _cut_edges(vertices: Array, faces: Ints, labels: Ints) -> list[tuple[int, int]]:
    """Edges along which hand and foot are cut open."""
    name = regions.REGIONS.index
    hand = _line_between(faces, labels, name("hand_back"), name("hand_palm"))
    hand_points = vertices[hand]
    thumbward = (hand_points - shape.WRIST) @ shape.THUMB_SIDE
    if thumbward[0] < thumbward[-1]:
        hand, hand_points, thumbward = hand[::-1], hand_points[::-1], thumbward[::-1]
    finger = shape.FINGERS[-1]
    direction = (finger[4] - finger[0]) * shape.FOREARM_DIRECTION + (
        finger[5] - finger[1]
    ) * shape.THUMB_SIDE
    reach = np.where(thumbward < finger[1], (hand_points - shape.WRIST) @ direction, -np.inf)
    # up to the tip of the little finger; its outer side and the edge of the palm are the fold
    hand = hand[: int(reach.argmax()) + 1]
    foot = _line_between(faces, labels, name("foot_outer"), name("foot_inner"))
    forward = (vertices[foot] - shape.ANKLE) @ shape.FOOT_DIRECTION
    if forward[0] > forward[-1]:
        foot, forward = foot[::-1], forward[::-1]
    foot = foot[: int(forward.argmax()) + 1]
    return [(int(a), int(b)) for line in (hand, foot) for a, b in pairwise(line)]


def _line_between(faces: Ints, labels: Ints, first: int, second: int) -> Ints:
    """Vertices, in order, of the line where two regions meet."""

    def edges(label: int) -> set[tuple[int, int]]:
        part = faces[labels == label]
        half = np.concatenate([part[:, [0, 1]], part[:, [1, 2]], part[:, [2, 0]]])
        return {(a, b) for a, b in np.sort(half, axis=1).tolist()}

    links: dict[int, list[int]] = {}
    for a, b in edges(first) & edges(second):
        links.setdefault(a, []).append(b)
        links.setdefault(b, []).append(a)
    ends = sorted(v for v, near in links.items() if len(near) == 1)
    if len(ends) != 2 or any(len(near) > 2 for near in links.values()):
        raise ValueError(f"regions {first} and {second} do not meet along one line")
    line = [ends[0]]
    while line[-1] != ends[1]:
        line.append(next(v for v in links[line[-1]] if len(line) < 2 or v != line[-2]))
    return np.array(line)


def _flatten_all(
    whole: Array,
    both: Ints,
    atlas_faces: Ints,
    atlas_vertex: Ints,
    atlas_chart: Ints,
    face_charts: Ints,
) -> Array:
    """U, V of every atlas vertex; the right side copies the left."""
    uv = np.zeros((len(atlas_vertex), 2))
    half = len(both) // 2
    # corner k of a left face and corner 2 - k of its mirror image are mirror images
    twin = np.zeros(len(atlas_vertex), dtype=np.int64)
    twin[atlas_faces[:half]] = atlas_faces[half:, ::-1]
    twin[atlas_faces[half:]] = atlas_faces[:half, ::-1]
    for chart in range(1, 25):
        alone = CHART_FLIP[chart] == chart
        if not alone and not np.any(face_charts[:half] == chart):
            continue
        ids = np.flatnonzero(atlas_chart == chart)
        local = np.zeros(len(atlas_vertex), dtype=np.int64)
        local[ids] = np.arange(len(ids))
        faces = local[atlas_faces[face_charts == chart]]
        points = whole[atlas_vertex[ids]]
        plane = Flattening(points, faces).relax(tutte(points, faces))
        guide = _guide(chart, points, _is_palm(points, faces) if chart == 4 else None)
        plane = _turned(plane, guide)
        if alone:
            mirrored = plane[local[twin[ids]]] * [1.0, -1.0]
            plane = 0.5 * (plane + mirrored)
        low, high = plane.min(axis=0), plane.max(axis=0)
        if alone:
            high[1] = np.abs(plane[:, 1]).max()
            low[1] = -high[1]
        # steps of 2^-20: then 1 - u is exact in float32 and mirrored charts match to the last bit
        uv[ids] = np.rint((plane - low) / (high - low) * _UV_STEPS) / _UV_STEPS
        if not alone:
            flips = np.array([FLIP_U[chart - 1], FLIP_V[chart - 1]])
            uv[twin[ids]] = np.where(flips, 1 - uv[ids], uv[ids])
    return uv


def _turned(plane: Array, guide: Array) -> Array:
    """Rotate, and reflect where needed, so that U and V grow with the two guide values."""
    centred = guide - guide.mean(axis=0)
    centred = centred / centred.std(axis=0) * plane.std()
    left, _, right = np.linalg.svd((plane - plane.mean(axis=0)).T @ centred)
    return (plane - plane.mean(axis=0)) @ (left @ right)


def _is_palm(points: Array, faces: Ints) -> NDArray[np.bool_]:
    normal = np.cross(
        points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]]
    )
    total = np.zeros(len(points))
    np.add.at(total, faces, np.repeat((normal @ shape.PALM_NORMAL)[:, None], 3, axis=1))
    return total > 0


def _guide(chart: int, points: Array, palm: NDArray[np.bool_] | None) -> Array:
    """Values (N, 2) in whose direction U and V shall grow, charts of the left side."""
    x, y, z = points.T
    along = (points - shape.SHOULDER) @ shape.ARM_DIRECTION
    above = (points - shape.SHOULDER) @ np.array(
        [np.cos(shape.ARM_ANGLE), np.sin(shape.ARM_ANGLE), 0.0]
    )
    from_wrist = points - shape.WRIST
    spread = from_wrist @ shape.THUMB_SIDE + 0.05
    table = {
        1: (-y, -x),
        2: (-y, -x),
        4: (
            spread if palm is None else np.where(palm, -spread, spread),
            from_wrist @ shape.FOREARM_DIRECTION,
        ),
        5: (points @ shape.FOOT_DIRECTION, points @ shape.FOOT_SIDE),
        8: (-y, x),
        10: (y, -x),
        12: (y, x),
        14: (-y, x),
        15: (along, above),
        17: (along, above),
        19: (-along, -above),
        21: (along, above),
        24: (-z, y),
    }
    return np.stack(table[chart], axis=1)
