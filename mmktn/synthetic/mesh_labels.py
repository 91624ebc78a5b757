"""Dense-pose labels of people who are given as meshes under a pinhole camera.

The mesh has charts itself (a surface's, or SMPL's 6890 vertices where UV_Processed.mat is among the
official files), or a `MeshMap` carries it to one that has. Labels are those of the body; clothes
are not part of a fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.body_surface import BodySurface
from mmktn.surface.mesh_map import MeshMap, anny_places
from mmktn.surface.parts import COCO_KEYPOINT_NAMES
from mmktn.surface.rasterize import RasterResult, rasterize
from mmktn.surface.shapes import point_weights
from mmktn.synthetic.annotate import (
    DenseTruth,
    coco_fields,
    dense_pose_fields,
    dense_truth,
    tight_box,
)
from mmktn.synthetic.render import VISIBLE_WITHIN_M
from mmktn.utils.user_error import UserError

MAX_PEOPLE = 255


@dataclass(frozen=True)
class PinholeCamera:
    """Camera frame: x right, y down, z ahead, metres. Image frame: 0 is the edge of a pixel.

    Attributes:
        matrix: (3, 3) focal lengths, skew and principal point in pixels; third row 0, 0, 1.
        image_hw: rows and columns of the image.
    """

    matrix: NDArray[np.float64]
    image_hw: tuple[int, int]

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (N, 3) of the camera frame to (N, 3): x, y in pixels, depth in metres."""
        depth = points[:, 2]
        safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
        image = (points / safe[:, None]) @ self.matrix[:2].T
        return np.concatenate([image, depth[:, None]], axis=1)


@dataclass(frozen=True)
class FittedPerson:
    """One person of an image.

    Attributes:
        vertices: (V, 3) of the fitted mesh in the camera frame, metres.
        camera: the camera; people of one image may have their own, of one image size.
        keypoints: (17, 3) x, y in the image frame and v (COCO) where the fit knows them; None
            takes those of the surface.
        score: how sure the fit is, for result files.
    """

    vertices: NDArray[np.float64]
    camera: PinholeCamera
    keypoints: NDArray[np.float64] | None = None
    score: float = 1.0


@dataclass(frozen=True)
class ChartedMesh:
    """A mesh with charts, and how a fitted mesh becomes it.

    Attributes:
        faces: (F, 3) vertex ids.
        face_charts: (F,) 1..24.
        face_uv: (F, 3, 2).
        mesh_map: from the fitted mesh; None where they are the same.
        keypoint_weights: (17, V) of the COCO keypoints; None where the surface has none.
    """

    faces: NDArray[np.int64]
    face_charts: NDArray[np.int64]
    face_uv: NDArray[np.float64]
    mesh_map: MeshMap | None
    keypoint_weights: NDArray[np.float64] | None

    @classmethod
    def of(
        cls, surface: BodySurface, num_vertices: int, mesh_map: MeshMap | None = None
    ) -> ChartedMesh:
        """Find the charts of a fitted mesh.

        Args:
            surface: where charts come from.
            num_vertices: of the fitted mesh.
            mesh_map: from it to the surface's mesh or to SMPL's; None where it is one of them, or
                Anny's and the surface is the human body.

        Returns:
            The mesh.

        Raises:
            UserError: no mesh of the surface has that many vertices.
        """
        if mesh_map is None and num_vertices == anny_places().num_source:
            mesh_map = anny_places()
        if mesh_map is not None and mesh_map.num_source > num_vertices:
            raise UserError(
                f"the correspondence is of a mesh of {mesh_map.num_source} vertices, the fits have "
                f"{num_vertices}"
            )
        wanted = num_vertices if mesh_map is None else mesh_map.num_target
        atlases = {surface.num_mesh_vertices: surface.atlas}
        if surface.base_atlas is not None:
            atlases[int(surface.base_atlas.mesh_vertex.max()) + 1] = surface.base_atlas
        if wanted not in atlases or not len(atlases[wanted].faces):
            known = " or ".join(str(count) for count in atlases)
            raise UserError(
                f"fitted meshes of {wanted} vertices: surface {surface.name!r} has charts for "
                f"{known}. SMPL (6890) needs the official folder with UV_Processed.mat, other "
                "meshes a correspondence (docs/fits.md)"
            )
        atlas = atlases[wanted]
        weights = None
        if surface.mesh is not None and wanted == surface.num_mesh_vertices and surface.keypoints:
            places = np.stack([surface.keypoints[name] for name in COCO_KEYPOINT_NAMES])
            weights = point_weights(surface.mesh.vertices, places)
        return cls(atlas.mesh_faces, atlas.face_charts, atlas.uv[atlas.faces], mesh_map, weights)

    def vertices(self, fitted: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (V, 3) of this mesh from those of the fitted one."""
        if self.mesh_map is None:
            return fitted
        return self.mesh_map.apply(fitted[: self.mesh_map.num_source])


@dataclass(frozen=True)
class MeshLabels:
    """What is seen of the people of one image.

    Attributes:
        maps: per-pixel labels; instance k is the k-th person, hidden ones have no pixel.
        keypoints: (N, 17, 3) x, y in the image frame and v: 2 visible, 1 hidden, 0 unknown or
            outside the image.
    """

    maps: DenseTruth
    keypoints: NDArray[np.float64]

    @cached_property
    def areas(self) -> NDArray[np.int64]:
        """(N,) visible pixels of each person."""
        return np.bincount(self.maps.instance.ravel(), minlength=len(self.keypoints) + 1)[1:]

    def records(self, *, seed: int = 0, min_pixels: int = 60) -> list[dict[str, Any]]:
        """Return DensePose-COCO annotations without ids, of the people with enough visible pixels.

        Args:
            seed: of the choice of points.
            min_pixels: least number of visible pixels.

        Returns:
            One record per person, `person` being the number from 0 on.
        """
        found = []
        for k in np.flatnonzero(self.areas >= max(min_pixels, 1)).tolist():
            mask = self.maps.instance == k + 1
            box = tight_box(mask)
            record: dict[str, Any] = {"person": k}
            record.update(coco_fields(mask, box, self.keypoints[k]))
            rng = np.random.default_rng([seed, k])
            record.update(dense_pose_fields(self.maps, mask, box, rng=rng))
            found.append(record)
        return found


def label_meshes(people: Sequence[FittedPerson], mesh: ChartedMesh) -> MeshLabels:
    """Label the people of one image.

    Args:
        people: 1 to 255 people, all of one image size.
        mesh: charts of their meshes.

    Returns:
        The labels.

    Raises:
        UserError: nobody, too many, other image sizes, vertices that do not fit the charts, are not
            finite or lie behind the camera.
    """
    if not 1 <= len(people) <= MAX_PEOPLE or len({p.camera.image_hw for p in people}) != 1:
        raise UserError(f"{len(people)} people: need 1 to {MAX_PEOPLE} of one image size")
    height, width = people[0].camera.image_hw
    nearest: NDArray[np.float64] = np.full((height, width), np.inf)
    instance: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
    rasters, bodies = [], []
    count = int(mesh.faces.max()) + 1
    for k, person in enumerate(people):
        vertices = mesh.vertices(person.vertices)
        if len(vertices) < count or not np.isfinite(vertices).all():
            raise UserError(f"person {k}: vertices {vertices.shape} do not fit, or are not finite")
        if (vertices[:, 2] <= 0).all():
            raise UserError(
                f"person {k} lies behind the camera; vertices are wanted in the camera's frame, "
                "x right, y down, z ahead"
            )
        raster = rasterize(person.camera.project(vertices), mesh.faces, height=height, width=width)
        nearer = raster.depth < nearest
        instance[nearer] = k + 1
        nearest = np.where(nearer, raster.depth, nearest)
        rasters.append(raster)
        bodies.append(vertices)
    maps = dense_truth(instance, rasters, mesh.face_charts, mesh.face_uv)
    keypoints = [
        _keypoints(person, vertices, mesh, raster, instance == k + 1)
        for k, (person, vertices, raster) in enumerate(zip(people, bodies, rasters, strict=True))
    ]
    return MeshLabels(maps, np.stack(keypoints))


def _keypoints(
    person: FittedPerson,
    vertices: NDArray[np.float64],
    mesh: ChartedMesh,
    raster: RasterResult,
    mask: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return (17, 3); visible where person's own skin is seen no farther in front than flesh is."""
    if person.keypoints is not None:
        return person.keypoints
    found = np.zeros((len(COCO_KEYPOINT_NAMES), 3))
    if mesh.keypoint_weights is None:
        return found
    height, width = mask.shape
    image = person.camera.project(mesh.keypoint_weights @ vertices)
    for k, (name, (x, y, depth)) in enumerate(zip(COCO_KEYPOINT_NAMES, image, strict=True)):
        if depth <= 0 or not (0 <= x < width and 0 <= y < height):
            continue
        limit = VISIBLE_WITHIN_M[name.removeprefix("left_").removeprefix("right_")]
        row, column = int(y), int(x)
        near = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
        gap = np.abs(raster.depth[near][mask[near]] - depth)
        found[k] = x, y, 2 if (gap < limit).any() else 1
    return found
