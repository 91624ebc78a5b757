"""Where the charts of the left half meet: one function per kind of border, zero on it.

A region is a chart, except that hand and foot have two each: their common border is the line along
which the chart may be cut open before it is flattened.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from body_builder import shape
from body_builder.field import Field

REGIONS = (
    "head",
    "torso_back",
    "torso_front",
    "upper_arm_front",
    "upper_arm_back",
    "lower_arm_front",
    "lower_arm_back",
    "hand_back",
    "hand_palm",
    "upper_leg_front",
    "upper_leg_back",
    "lower_leg_front",
    "lower_leg_back",
    "foot_outer",
    "foot_inner",
)
# charts of the person's left side
REGION_CHART = dict(
    zip(REGIONS, (24, 1, 2, 15, 17, 19, 21, 4, 4, 10, 8, 14, 12, 5, 5), strict=True)
)

ARM_PIT = -0.088
ANKLE_CUT = 0.100
_ACROSS_ARM = np.array([np.cos(shape.ARM_ANGLE), np.sin(shape.ARM_ANGLE), 0.0])
_ELBOW_NORMAL = shape.ARM_DIRECTION + shape.FOREARM_DIRECTION
_BODY_DEPTH = PchipInterpolator(
    [0.0, 0.10, 0.30, 0.48, 0.70, 0.89, 1.05, 1.22, 1.40, 1.50],
    [-0.020, -0.018, -0.008, 0.002, 0.002, -0.004, -0.010, -0.024, -0.024, -0.030],
)
_FINGER_BEND = PchipInterpolator(
    [-0.02, 0.085, 0.135, 0.180, 0.20], [0.0, 0.0, 0.004, 0.012, 0.014]
)
_TOE_LINE = PchipInterpolator([-0.10, 0.0, 0.12, 0.20, 0.25], [0.0, 0.0, 0.0, -0.001, -0.001])


def arm_side(points: Field) -> NDArray[np.bool_]:
    """Points near enough to the arm's axis to belong to it or to the shoulder."""
    return ((points - shape.SHOULDER) @ _ACROSS_ARM > ARM_PIT) & (points[:, 0] > 0.1)


def shoulder(points: Field) -> Field:
    """Positive on the arm."""
    return points[:, 0] - 0.172 + 0.14 * (points[:, 1] - 1.262)


def neck(points: Field) -> Field:
    """Positive on the head."""
    return points[:, 1] - 1.446 + 0.36 * points[:, 2]


def groin(points: Field) -> Field:
    """Positive on the leg: from the crotch up the groin in front, along the buttock behind."""
    slope = 0.42 + 0.36 * np.tanh((points[:, 2] + 0.01) / 0.06)
    return 0.793 + slope * points[:, 0] - points[:, 1]


def elbow(points: Field) -> Field:
    """Positive on the forearm."""
    return (points - shape.ELBOW) @ _ELBOW_NORMAL / np.linalg.norm(_ELBOW_NORMAL)


def wrist(points: Field) -> Field:
    """Positive on the hand."""
    return (points - shape.WRIST) @ shape.FOREARM_DIRECTION


def knee(points: Field) -> Field:
    """Positive on the lower leg."""
    return shape.KNEE[1] - points[:, 1]


def ankle(points: Field) -> Field:
    """Positive on the foot."""
    return ANKLE_CUT - points[:, 1]


def front(points: Field) -> Field:
    """Positive on the front half of torso, arms and legs."""
    along = (points - shape.ELBOW) @ shape.FOREARM_DIRECTION
    arm_depth = shape.SHOULDER[2] + np.maximum(along, 0.0) * np.sin(shape.FOREARM_BEND)
    depth = np.where(
        arm_side(points) & (shoulder(points) > -0.05), arm_depth, _BODY_DEPTH(points[:, 1])
    )
    return points[:, 2] - depth


def palm(points: Field) -> Field:
    """Positive on the palm side of the hand."""
    offset = points - shape.WRIST
    along, thumbward = offset @ shape.FOREARM_DIRECTION, offset @ shape.THUMB_SIDE
    thumb = _step((thumbward - 0.034) / 0.014) * (1 - _step((along - 0.112) / 0.016))
    bend = _FINGER_BEND(np.clip(along, -0.02, 0.20))
    return offset @ shape.PALM_NORMAL - bend - 0.007 * thumb


def inner_foot(points: Field) -> Field:
    """Positive on the inner half of the foot."""
    offset = points - shape.ANKLE
    line = _TOE_LINE(np.clip(offset @ shape.FOOT_DIRECTION, -0.10, 0.25))
    return line - offset @ shape.FOOT_SIDE


def middle(points: Field) -> Field:
    """Mirror plane of the body."""
    return points[:, 0]


def _step(t: Field) -> Field:
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3 - 2 * t)


Border = Callable[[Field], Field]

# borders in the order of cutting: function, who is cut, what the positive side becomes
_CUTS: tuple[tuple[Border, tuple[str, ...], dict[str, str]], ...] = (
    (shoulder, ("torso_back",), {"torso_back": "upper_arm_back"}),
    (neck, ("torso_back",), {"torso_back": "head"}),
    (groin, ("torso_back",), {"torso_back": "upper_leg_back"}),
    (elbow, ("upper_arm_back",), {"upper_arm_back": "lower_arm_back"}),
    (wrist, ("lower_arm_back",), {"lower_arm_back": "hand_back"}),
    (knee, ("upper_leg_back",), {"upper_leg_back": "lower_leg_back"}),
    (ankle, ("lower_leg_back",), {"lower_leg_back": "foot_outer"}),
    (
        front,
        ("torso_back", "upper_arm_back", "lower_arm_back", "upper_leg_back", "lower_leg_back"),
        {
            name + "_back": name + "_front"
            for name in ("torso", "upper_arm", "lower_arm", "upper_leg", "lower_leg")
        },
    ),
    (palm, ("hand_back",), {"hand_back": "hand_palm"}),
    (inner_foot, ("foot_outer",), {"foot_outer": "foot_inner"}),
)
BORDERS: tuple[Border, ...] = (middle, *(cut[0] for cut in _CUTS))


def _limb(region: str) -> str:
    for limb in ("upper_arm", "lower_arm", "upper_leg", "lower_leg", "torso", "hand", "foot"):
        if region.startswith(limb):
            return limb
    return region


_LIMB_BORDERS: dict[frozenset[str], Border] = {
    frozenset(("torso", "upper_arm")): shoulder,
    frozenset(("torso", "head")): neck,
    frozenset(("torso", "upper_leg")): groin,
    frozenset(("upper_arm", "lower_arm")): elbow,
    frozenset(("lower_arm", "hand")): wrist,
    frozenset(("upper_leg", "lower_leg")): knee,
    frozenset(("lower_leg", "foot")): ankle,
    frozenset(("hand",)): palm,
    frozenset(("foot",)): inner_foot,
}


def border_between(first: str, second: str) -> int:
    """Index in ``BORDERS`` of the border of two regions."""
    limbs = frozenset((_limb(first), _limb(second)))
    return BORDERS.index(_LIMB_BORDERS.get(limbs, front))


def cut_into_regions(
    vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Split a fine mesh of the left half along all borders.

    Args:
        vertices: (V, 3).
        faces: (F, 3).

    Returns:
        Vertices, faces and the region index of each face.
    """
    labels = np.full(len(faces), REGIONS.index("torso_back"))
    for border, owners, becomes in _CUTS:
        mask = np.isin(labels, [REGIONS.index(name) for name in owners])
        if border is shoulder:
            mask &= arm_side(vertices[faces].mean(axis=1))
        values = border(vertices)
        vertices, faces, origin = _split_at_zero(vertices, faces, mask, values)
        labels, mask = labels[origin], mask[origin]
        positive = mask & (border(vertices[faces].mean(axis=1)) > 0)
        table = np.arange(len(REGIONS))
        for old, new in becomes.items():
            table[REGIONS.index(old)] = REGIONS.index(new)
        labels = np.where(positive, table[labels], labels)
    return vertices, faces, labels


def _split_at_zero(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    mask: NDArray[np.bool_],
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Split the edges of masked faces where a function changes sign; keep the mesh conforming."""
    chosen = faces[mask]
    edges = np.concatenate([chosen[:, [0, 1]], chosen[:, [1, 2]], chosen[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    a, b = values[edges].T
    position = a / np.where(a == b, 1.0, a - b)
    # a border that all but touches a vertex passes through it
    crossing = (a * b < 0) & (position > 0.08) & (position < 0.92)
    edges, position = edges[crossing], position[crossing]
    fresh = vertices[edges[:, 0]] + position[:, None] * (
        vertices[edges[:, 1]] - vertices[edges[:, 0]]
    )
    number = {tuple(e): len(vertices) + i for i, e in enumerate(edges.tolist())}
    result: list[list[int]] = []
    origin: list[int] = []
    for index, (i, j, k) in enumerate(faces.tolist()):
        middles = [number.get((min(p, q), max(p, q)), -1) for p, q in ((i, j), (j, k), (k, i))]
        pieces = _subdivide([i, j, k], middles)
        result.extend(pieces)
        origin.extend([index] * len(pieces))
    return np.concatenate([vertices, fresh]), np.array(result), np.array(origin)


def _subdivide(corner: list[int], middle_ids: list[int]) -> list[list[int]]:
    """Triangles of one triangle some of whose edges have a new vertex."""
    polygon: list[int] = []
    for vertex, new in zip(corner, middle_ids, strict=True):
        polygon.append(vertex)
        if new >= 0:
            polygon.append(new)
    if len(polygon) == 3:
        return [corner]
    if len(polygon) == 6:
        a, ab, b, bc, c, ca = polygon
        return [[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]
    # start the fan at a new vertex so that no triangle is flat
    start = next(i for i, vertex in enumerate(polygon) if vertex not in corner)
    ring = polygon[start:] + polygon[:start]
    if len(ring) == 5 and ring[2] not in corner:
        return [
            [ring[0], ring[1], ring[2]],
            [ring[0], ring[2], ring[3]],
            [ring[0], ring[3], ring[4]],
        ]
    if len(ring) == 5:
        # new vertices are ring[0] and ring[3]
        return [
            [ring[0], ring[1], ring[2]],
            [ring[0], ring[2], ring[3]],
            [ring[0], ring[3], ring[4]],
        ]
    return [[ring[0], ring[1], ring[2]], [ring[0], ring[2], ring[3]]]
