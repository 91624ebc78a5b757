"""Skeleton, smooth skinning weights and keypoints of the procedural body."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from body_builder import shape
from mmktn.surface.skeleton import SyntheticSkeleton

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

_CENTRE = {
    "pelvis": ((0.0, 0.930, -0.010), None),
    "spine": ((0.0, 1.060, -0.020), "pelvis"),
    "chest": ((0.0, 1.200, -0.030), "spine"),
    "neck": ((0.0, 1.420, -0.035), "chest"),
    "head": ((0.0, 1.510, -0.018), "neck"),
}
_SIDE = {
    "clavicle": ((0.030, 1.375, -0.020), "chest"),
    "shoulder": (tuple(shape.SHOULDER), "clavicle"),
    "elbow": (tuple(shape.ELBOW), "shoulder"),
    "wrist": (tuple(shape.WRIST), "elbow"),
    "hip": (tuple(shape.HIP), "pelvis"),
    "knee": (tuple(shape.KNEE), "hip"),
    "ankle": (tuple(shape.ANKLE), "knee"),
}
# reach in metres over which a joint's bend is spread along the skin
_SPREAD = {
    "pelvis": 0.040,
    "spine": 0.045,
    "chest": 0.045,
    "neck": 0.022,
    "head": 0.020,
    "clavicle": 0.030,
    "shoulder": 0.026,
    "elbow": 0.017,
    "wrist": 0.010,
    "hip": 0.030,
    "knee": 0.020,
    "ankle": 0.012,
}
_LEAST_WEIGHT = 0.004

# name -> left-side position, joint
_KEYPOINTS: dict[str, tuple[tuple[float, float, float], str]] = {
    "nose": ((0.0, 1.5535, 0.1080), "head"),
    "eye": ((0.0315, 1.5820, 0.0805), "head"),
    "ear": ((0.0840, 1.5700, -0.0120), "head"),
    "shoulder": (tuple(shape.SHOULDER), "shoulder"),
    "elbow": (tuple(shape.ELBOW), "elbow"),
    "wrist": (tuple(shape.WRIST), "wrist"),
    "hip": (tuple(shape.HIP), "hip"),
    "knee": (tuple(shape.KNEE), "knee"),
    "ankle": (tuple(shape.ANKLE), "ankle"),
    "head_top": ((0.0, 1.6990, -0.0100), "head"),
    "neck": ((0.0, 1.4200, -0.0250), "neck"),
}
_MIDDLE_KEYPOINTS = ("nose", "head_top", "neck")


def make_skeleton(
    vertices: Array, faces: Ints, face_charts: Ints, mirror: Ints
) -> SyntheticSkeleton:
    """Joints and skinning weights.

    Args:
        vertices: (V, 3) whole body.
        faces: (F, 3).
        face_charts: (F,).
        mirror: (V,) mirrored vertex.

    Returns:
        The skeleton.
    """
    names, positions, parents = _joints()
    vertex_chart = np.zeros(len(vertices), dtype=np.int64)
    vertex_chart[faces] = face_charts[:, None]
    hard = np.array([names.index(n) for n in _owners(vertices, vertex_chart)])
    start = np.zeros((len(vertices), len(names)))
    start[np.arange(len(vertices)), hard] = 1.0
    reach = np.array([_SPREAD[n.split("_")[-1]] for n in names])
    weights = _diffuse(vertices, faces, start, start @ reach)
    swap = np.array([names.index(_other_side(n)) for n in names])
    weights = 0.5 * (weights + weights[mirror][:, swap])
    weights[weights < _LEAST_WEIGHT] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    return SyntheticSkeleton(tuple(names), positions, parents, weights)


def make_keypoints() -> tuple[dict[str, Array], dict[str, str]]:
    """Rest positions and carrying joints: COCO 17 in order, then head_top and neck."""
    from mmktn.surface.parts import COCO_KEYPOINT_NAMES

    positions, joints = {}, {}
    for name in (*COCO_KEYPOINT_NAMES, "head_top", "neck"):
        side, _, base = name.partition("_")
        plain = name in _MIDDLE_KEYPOINTS
        place, joint = _KEYPOINTS[name if plain else base]
        positions[name] = np.array(place) * ([-1.0, 1, 1] if side == "right" else [1.0, 1, 1])
        joints[name] = joint if joint in _CENTRE else f"{side}_{joint}"
    return positions, joints


def _joints() -> tuple[list[str], Array, Ints]:
    names = list(_CENTRE)
    places = [place for place, _ in _CENTRE.values()]
    parent_names: list[str | None] = [parent for _, parent in _CENTRE.values()]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for name, (place, parent) in _SIDE.items():
            names.append(f"{side}_{name}")
            places.append((sign * place[0], place[1], place[2]))
            parent_names.append(parent if parent in _CENTRE else f"{side}_{parent}")
    parents = np.array([-1 if p is None else names.index(p) for p in parent_names])
    return names, np.array(places, dtype=np.float64), parents


def _other_side(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name[5:]
    return "left_" + name[6:] if name.startswith("right_") else name


def _owners(vertices: Array, chart: Ints) -> list[str]:
    """Joint that carries each vertex before smoothing."""
    limb = {}
    for charts, joint in (
        ((15, 16, 17, 18), "shoulder"),
        ((19, 20, 21, 22), "elbow"),
        ((3, 4), "wrist"),
        ((7, 8, 9, 10), "hip"),
        ((11, 12, 13, 14), "knee"),
        ((5, 6), "ankle"),
    ):
        limb.update(dict.fromkeys(charts, joint))
    owners = []
    for (x, y, z), number in zip(vertices, chart, strict=True):
        side = "left" if x > 0 else "right"
        if number in limb:
            owners.append(f"{side}_{limb[number]}")
        elif number in (23, 24):
            owners.append("head" if y + 0.35 * z > 1.500 else "neck")
        elif abs(x) > 0.150 and y > 1.30:
            owners.append(f"{side}_shoulder")
        elif abs(x) > 0.060 and y > 1.33 - 0.25 * (abs(x) - 0.06):
            owners.append(f"{side}_clavicle")
        elif y > 1.175:
            owners.append("chest")
        else:
            owners.append("spine" if y > 1.015 else "pelvis")
    return owners


def _diffuse(vertices: Array, faces: Ints, start: Array, reach: Array) -> Array:
    """One implicit step of heat flow on the skin with its own reach at each vertex."""
    count = len(vertices)
    corner = vertices[faces]
    rows, columns, values = [], [], []
    for k in range(3):
        a, b, apex = faces[:, k], faces[:, (k + 1) % 3], corner[:, (k + 2) % 3]
        p, q = corner[:, k] - apex, corner[:, (k + 1) % 3] - apex
        cotangent = (p * q).sum(1) / np.linalg.norm(np.cross(p, q), axis=1)
        # no negative weight: the result stays within 0..1
        flow = 0.5 * np.maximum(cotangent, 0.01) * (0.5 * (reach[a] + reach[b])) ** 2
        rows.extend((a, b))
        columns.extend((b, a))
        values.extend((flow, flow))
    graph = sparse.coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(count, count),
    ).tocsr()
    area = 0.5 * np.linalg.norm(
        np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1
    )
    mass = np.bincount(faces.ravel(), weights=np.repeat(area / 3, 3), minlength=count)
    laplacian = sparse.diags(np.asarray(graph.sum(axis=1)).ravel()) - graph
    solver = splu((sparse.diags(mass) + laplacian).tocsc())
    result = start
    for _ in range(2):
        result = solver.solve(mass[:, None] * result)
    return np.maximum(result, 0.0)
