"""Figures: the template with a shape of its own, put into a pose.

Linear blend skinning as in `mmktn.surface.skeleton`, with one addition: every joint also stretches
its part along and across the bone, and the stretch of a parent carries its children along, so that
long legs, broad shoulders or a child's large head come out without gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmktn.surface.body_surface import BodySurface
from mmktn.surface.mesh import SurfaceMesh, vertex_normals_of
from mmktn.surface.shapes import BodyShapes, point_weights
from mmktn.surface.skeleton import SyntheticSkeleton

_BONE_END = {
    "shoulder": "elbow",
    "elbow": "wrist",
    "hip": "knee",
    "knee": "ankle",
}


@dataclass
class Template:
    """What rendering needs of a surface, computed once per process.

    Attributes:
        mesh: rest mesh.
        skeleton: joints and weights.
        face_charts: (F,) chart of each face.
        face_uv: (F, 3, 2) U and V at the corners of each face.
        keypoints: name -> (3,) rest position.
        keypoint_joints: name -> joint index.
        shapes: how people differ, None for a body of one shape.
        keypoint_weights: (K, V) of the vertices that carry the keypoints, in the order of
            `keypoints`.
        garment: (V, 4) places on which clothes are cut: x, y and z with the joints at the heights
            and depths of a person of 1.70 m, and the distance from the shoulder along the arm.
        vertex_charts: (V,) a chart of each vertex; either one on a border.
        neighbours: (V, V) sparse, row i takes the mean of the neighbours of vertex i.
    """

    mesh: SurfaceMesh
    skeleton: SyntheticSkeleton
    face_charts: NDArray[np.int64]
    face_uv: NDArray[np.float64]
    keypoints: dict[str, NDArray[np.float64]]
    keypoint_joints: dict[str, int]
    shapes: BodyShapes | None
    keypoint_weights: NDArray[np.float64]
    garment: NDArray[np.float64]
    vertex_charts: NDArray[np.int64]
    neighbours: sparse.csr_array

    def garment_at(self, keypoint: str) -> NDArray[np.float64]:
        """(4,) place in `garment` of the skin next to a keypoint."""
        gap = np.linalg.norm(self.mesh.vertices - self.keypoints[keypoint], axis=1)
        return np.asarray(self.garment[int(gap.argmin())])

    @classmethod
    def from_surface(cls, surface: BodySurface) -> Template:
        """Collect the tables of a surface.

        Args:
            surface: a surface with mesh, skeleton and keypoints.

        Returns:
            The template.

        Raises:
            ValueError: the surface lacks one of them, or its atlas and mesh list other faces.
        """
        surface.require("mesh", "skeleton", "keypoints")
        mesh = cast(SurfaceMesh, surface.mesh)
        skeleton = cast(SyntheticSkeleton, surface.skeleton)
        atlas = surface.atlas
        if not np.array_equal(atlas.mesh_faces, mesh.faces):
            raise ValueError(f"surface {surface.name!r}: atlas and mesh list different faces")
        joints = {
            name: skeleton.joint_index(joint) for name, joint in surface.keypoint_joint.items()
        }
        vertex_charts = np.zeros(mesh.num_vertices, np.int64)
        vertex_charts[mesh.faces] = np.asarray(atlas.face_charts)[:, None]
        ends = np.concatenate([mesh.edges, mesh.edges[:, ::-1]])
        degree = np.bincount(ends[:, 0], minlength=mesh.num_vertices)
        return cls(
            mesh=mesh,
            skeleton=skeleton,
            face_charts=np.asarray(atlas.face_charts),
            face_uv=atlas.uv[atlas.faces],
            keypoints={name: np.asarray(p, float) for name, p in surface.keypoints.items()},
            keypoint_joints=joints,
            shapes=surface.shapes,
            keypoint_weights=point_weights(
                mesh.vertices, np.stack(list(surface.keypoints.values()))
            ),
            garment=_garment_places(mesh.vertices, skeleton, surface.keypoints),
            vertex_charts=vertex_charts,
            neighbours=sparse.csr_array(
                (1.0 / degree[ends[:, 0]], ends.T), shape=(mesh.num_vertices,) * 2
            ),
        )


# Height and depth of places at which clothes are cut: sole, ankle, knee, hip, shoulder, neck, eyes,
# crown, of a person of 1.70 m.
_GARMENT_HEIGHTS = (0.0, 0.082, 0.478, 0.89, 1.362, 1.42, 1.582, 1.7)
_GARMENT_DEPTHS = (-0.022, -0.022, 0.004, -0.004, -0.024, -0.025, 0.08, -0.01)

_GARMENT_ARM = 0.534  # shoulder to wrist


def _garment_places(
    vertices: NDArray[np.float64],
    skeleton: SyntheticSkeleton,
    keypoints: Mapping[str, NDArray[np.float64]],
) -> NDArray[np.float64]:
    """(V, 4) as in `Template.garment`."""
    places, index = skeleton.joint_positions, skeleton.joint_index
    joints = ("left_ankle", "left_knee", "left_hip", "left_shoulder")
    own = np.stack(
        [
            places[index("left_ankle")] * [1.0, 0.0, 1.0],
            *(places[index(name)] for name in joints),
            *(keypoints[name] for name in ("neck", "left_eye", "head_top")),
        ]
    )
    shoulder, elbow, wrist = (
        places[index(f"left_{name}")] for name in ("shoulder", "elbow", "wrist")
    )
    mirrored = np.abs(vertices[:, :1]) * [1.0, 0.0, 0.0] + vertices * [0.0, 1.0, 1.0]
    upper, lower = np.linalg.norm(elbow - shoulder), np.linalg.norm(wrist - elbow)
    on_upper = (mirrored - shoulder) @ (elbow - shoulder) / upper
    on_lower = (mirrored - elbow) @ (wrist - elbow) / lower
    along = np.where(on_lower > 0, upper + on_lower, np.minimum(on_upper, upper))
    along = along * (_GARMENT_ARM / (upper + lower))
    height = np.interp(vertices[:, 1], own[:, 1], _GARMENT_HEIGHTS)
    depth = vertices[:, 2] - np.interp(vertices[:, 1], own[:, 1], own[:, 2] - _GARMENT_DEPTHS)
    return np.stack([vertices[:, 0], height, depth, along], axis=1)


@dataclass
class Shape:
    """Body proportions relative to the template.

    Attributes:
        coefficients: (k,) of the template's shapes; None leaves the rest body as it is.
        traits: what the person is, by trait name.
        size: overall scale.
        length: joint name without side -> stretch along the bone (missing: 1).
        girth: joint name without side -> stretch across the bone (missing: 1).
    """

    coefficients: NDArray[np.float64] | None = None
    traits: dict[str, float] = field(default_factory=dict)
    size: float = 1.0
    length: dict[str, float] = field(default_factory=dict)
    girth: dict[str, float] = field(default_factory=dict)


@dataclass
class Layer:
    """A mesh around the body that hides it in pictures, not in labels.

    Attributes:
        vertices: (N, 3) metres, in the figure's frame.
        normals: (N, 3) unit.
        faces: (F, 3) vertex ids.
        places: (N, 4) where the cloth's pattern is looked up, as in `Template.garment`.
        part: "top", "bottom", "hair", "hat" or "bag".
    """

    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]
    faces: NDArray[np.int64]
    places: NDArray[np.float64]
    part: str


@dataclass
class Figure:
    """A posed body standing at the origin.

    Attributes:
        vertices: (V, 3) metres; y = 0 is the ground it stands on, x and z relative to the pelvis.
        normals: (V, 3) unit vertex normals.
        keypoints: name -> (3,) metres, same frame.
        joints: (J, 3) metres, same frame.
        size: height of the person, upright, relative to 1.7 m.
        layers: clothes and hair around the body.
    """

    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]
    keypoints: dict[str, NDArray[np.float64]]
    joints: NDArray[np.float64]
    size: float = 1.0
    layers: list[Layer] = field(default_factory=list)

    def placed(self, position: NDArray[np.float64], yaw: float) -> Figure:
        """The figure turned to the left by `yaw` radians and moved by `position` (3,) metres."""
        c, s = np.cos(yaw), np.sin(yaw)
        turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        points = {name: turn @ p + position for name, p in self.keypoints.items()}
        return Figure(
            self.vertices @ turn.T + position,
            self.normals @ turn.T,
            points,
            self.joints @ turn.T + position,
            self.size,
            [
                replace(
                    layer,
                    vertices=layer.vertices @ turn.T + position,
                    normals=layer.normals @ turn.T,
                )
                for layer in self.layers
            ],
        )


def random_shape(template: Template, rng: np.random.Generator) -> Shape:
    """Draw proportions: of the template's population, or stretches where it has none.

    Either way mostly adults between 1.5 m and 1.95 m, slim to stout, and some children.
    """
    if template.shapes is not None:
        coefficients, traits = template.shapes.draw(rng)
        return Shape(coefficients, traits)
    child = rng.random() < 0.12
    size = rng.uniform(0.62, 0.85) if child else np.clip(rng.normal(1.0, 0.06), 0.87, 1.15)
    stout = np.exp(rng.normal(0.0, 0.13))
    limbs = stout**0.6
    arms, legs = rng.normal(1.0, 0.04), rng.normal(1.0, 0.04)
    belly = stout * np.exp(rng.normal(0.0, 0.06))
    length = {
        "shoulder": arms,
        "elbow": arms,
        "hip": legs,
        "knee": legs,
        "spine": rng.normal(1.0, 0.03),
        "chest": rng.normal(1.0, 0.03),
    }
    girth = {
        "pelvis": stout * np.exp(rng.normal(0, 0.04)),
        "spine": belly,
        "chest": stout**0.8 * np.exp(rng.normal(0, 0.04)),
        "clavicle": stout**0.5 * np.exp(rng.normal(0, 0.04)),
        "neck": limbs,
        "shoulder": limbs * np.exp(rng.normal(0, 0.06)),
        "elbow": limbs,
        "hip": limbs * np.exp(rng.normal(0, 0.05)),
        "knee": limbs,
    }
    head = (1.0 + 0.55 * (0.95 - size) if child else 1.0) * np.exp(rng.normal(0, 0.03))
    hands = np.exp(rng.normal(0, 0.04))
    for table in (length, girth):
        table.update(head=head, wrist=hands, ankle=hands)
    return Shape(size=float(size), length=length, girth=girth)


def make_figure(
    template: Template, shape: Shape, rotations: dict[str, NDArray[np.float64]]
) -> Figure:
    """Pose a body.

    Args:
        template: the surface's tables.
        shape: proportions.
        rotations: joint name -> (3, 3) rotation about the joint in rest axes, relative to the
            parent; joints not named do not turn. The pelvis entry turns the whole body.

    Returns:
        The figure, its lowest vertex at y = 0 and its pelvis above the origin.
    """
    rest, places = template.mesh.vertices, template.skeleton.joint_positions
    keypoints = np.stack(list(template.keypoints.values()))
    if shape.coefficients is not None and template.shapes is not None:
        moved = template.shapes.displacements(shape.coefficients)
        keypoints = keypoints + template.keypoint_weights @ moved[: len(rest)]
        rest, places = rest + moved[: len(rest)], places + moved[len(rest) :]
    motion = _joint_motions(template.skeleton, places, shape, rotations)
    blended = template.skeleton.weights @ motion.reshape(len(motion), 12)
    blended = blended.reshape(-1, 3, 4)
    vertices = np.einsum("vij,vj->vi", blended[:, :, :3], rest) + blended[:, :, 3]
    points = {
        name: motion[template.keypoint_joints[name], :, :3] @ place
        + motion[template.keypoint_joints[name], :, 3]
        for name, place in zip(template.keypoints, keypoints, strict=True)
    }
    joints = np.einsum("jik,jk->ji", motion[:, :, :3], places) + motion[:, :, 3]
    origin = np.array([joints[0, 0], vertices[:, 1].min(), joints[0, 2]])
    points = {name: p - origin for name, p in points.items()}
    vertices = vertices - origin
    normals = vertex_normals_of(vertices, template.mesh.faces)
    size = float(np.ptp(rest[:, 1])) * shape.size / 1.7
    return Figure(vertices, normals, points, joints - origin, size)


def _joint_motions(
    skeleton: SyntheticSkeleton,
    places: NDArray[np.float64],
    shape: Shape,
    rotations: dict[str, NDArray[np.float64]],
) -> NDArray[np.float64]:
    """(J, 3, 4) affine maps of rest positions, joints at `places`, to posed positions."""
    count = len(places)
    turns, stretched, positions = np.zeros((count, 3, 3)), np.zeros((count, 3, 3)), places.copy()
    for joint, name in enumerate(skeleton.joint_names):
        parent = int(skeleton.parents[joint])
        turns[joint] = rotations.get(name, np.eye(3))
        if parent >= 0:
            turns[joint] = turns[parent] @ turns[joint]
            offset = places[joint] - places[parent]
            positions[joint] = positions[parent] + stretched[parent] @ offset
        stretched[joint] = turns[joint] @ _stretch(skeleton, name, shape)
    motion = np.zeros((count, 3, 4))
    motion[:, :, :3] = stretched
    motion[:, :, 3] = positions - np.einsum("jik,jk->ji", stretched, places)
    return motion


def _stretch(skeleton: SyntheticSkeleton, name: str, shape: Shape) -> NDArray[np.float64]:
    """(3, 3) stretch of one part in rest axes."""
    side, _, plain = name.rpartition("_")
    length = shape.length.get(plain, 1.0) * shape.size
    girth = shape.girth.get(plain, 1.0) * shape.size
    axis = np.array([0.0, 1.0, 0.0])
    if plain in _BONE_END:
        places = skeleton.joint_positions
        end = places[skeleton.joint_index(f"{side}_{_BONE_END[plain]}")]
        axis = end - places[skeleton.joint_index(name)]
        axis = axis / np.linalg.norm(axis)
    along = np.outer(axis, axis)
    return girth * (np.eye(3) - along) + length * along
