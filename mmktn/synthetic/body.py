"""Figures: the template with a shape of its own, put into a pose by linear blend skinning."""

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
        shapes: how people differ.
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
    shapes: BodyShapes
    keypoint_weights: NDArray[np.float64]
    garment: NDArray[np.float64]
    vertex_charts: NDArray[np.int64]
    neighbours: sparse.csr_array

    def garment_at(self, keypoint: str) -> NDArray[np.float64]:
        """Return (4,) place in `garment` of the skin next to a keypoint."""
        gap = np.linalg.norm(self.mesh.vertices - self.keypoints[keypoint], axis=1)
        return np.asarray(self.garment[int(gap.argmin())])

    @classmethod
    def from_surface(cls, surface: BodySurface) -> Template:
        """Collect the tables of a surface.

        Args:
            surface: a surface with mesh, skeleton, keypoints and shapes.

        Returns:
            The template.

        Raises:
            ValueError: the surface lacks one of them, or its atlas and mesh list other faces.
        """
        surface.require("mesh", "skeleton", "keypoints", "shapes")
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
            shapes=cast(BodyShapes, surface.shapes),
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
    """Return (V, 4) as in `Template.garment`."""
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
    """Who a person is.

    Attributes:
        coefficients: (k,) of the template's shapes; None is the rest body.
        traits: what the person is, by trait name.
    """

    coefficients: NDArray[np.float64] | None = None
    traits: dict[str, float] = field(default_factory=dict)


@dataclass
class Layer:
    """A mesh around the body that hides it in pictures, not in labels.

    Attributes:
        vertices: (N, 3) metres, in the figure's frame.
        normals: (N, 3) unit.
        faces: (F, 3) vertex ids.
        places: (N, 4) where the cloth's pattern is looked up, as in `Template.garment`.
        part: "top", "bottom", "shoe", "hair", "hat" or "bag".
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
        traits: of the person, as `Shape` has them.
    """

    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]
    keypoints: dict[str, NDArray[np.float64]]
    joints: NDArray[np.float64]
    size: float = 1.0
    layers: list[Layer] = field(default_factory=list)
    traits: dict[str, float] = field(default_factory=dict)

    def placed(self, position: NDArray[np.float64], yaw: float) -> Figure:
        """Turn the figure to the left by `yaw` radians and move it by `position` (3,) metres."""
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
            self.traits,
        )


def random_shape(template: Template, rng: np.random.Generator) -> Shape:
    """Draw a person: mostly adults, slim to stout, and some children."""
    return Shape(*template.shapes.draw(rng))


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
    if shape.coefficients is not None:
        moved = template.shapes.displacements(shape.coefficients)
        keypoints = keypoints + template.keypoint_weights @ moved[: len(rest)]
        rest, places = rest + moved[: len(rest)], places + moved[len(rest) :]
    motion = _joint_motions(template.skeleton, places, rotations)
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
    size = float(np.ptp(rest[:, 1])) / 1.7
    return Figure(vertices, normals, points, joints - origin, size, traits=shape.traits)


def _joint_motions(
    skeleton: SyntheticSkeleton,
    places: NDArray[np.float64],
    rotations: dict[str, NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Return (J, 3, 4) motions of rest positions, joints at `places`, to posed positions."""
    own = replace(skeleton, joint_positions=places)
    turns = np.stack([rotations.get(name, np.eye(3)) for name in skeleton.joint_names])
    return own.joint_transforms(turns)
