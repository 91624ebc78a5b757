"""The body as one object: mesh, charts, mirror maps, distances, skeleton, keypoints."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.atlas import ChartAtlas
from mmktn.surface.geodesic import GeodesicTable
from mmktn.surface.mesh import SurfaceMesh
from mmktn.surface.shapes import BodyShapes
from mmktn.surface.skeleton import SyntheticSkeleton
from mmktn.surface.symmetry import ChartSymmetry


class BodySurface:
    """A body cut into the 24 DensePose charts.

    Parts that a source does not offer are ``None`` (mesh positions, symmetry, mirror, skeleton);
    asking for them through ``require`` gives an error that says so.

    Args:
        atlas: Charts.
        num_mesh_vertices: V.
        name: For messages and scores.
        official: Whether this is DensePose's own surface, that of all published scores.
        mesh: Closed mesh with V vertices.
        symmetry: Mirror tables of U, V.
        vertex_mirror: (V,) mirrored mesh vertex.
        skeleton: Joints and weights.
        keypoints: Keypoint name -> (3,) rest position.
        keypoint_joint: Keypoint name -> joint name that carries it.
        geodesics: Table, or a function that makes it when first asked for.
        shapes: How people differ from the rest body.
        base_atlas: Charts of the mesh before subdivision (UV_Processed.mat), for drawing only.

    Raises:
        ValueError: Parts that do not fit each other.
    """

    def __init__(
        self,
        atlas: ChartAtlas,
        num_mesh_vertices: int,
        *,
        name: str,
        official: bool = False,
        mesh: SurfaceMesh | None = None,
        symmetry: ChartSymmetry | None = None,
        vertex_mirror: NDArray[np.int64] | None = None,
        skeleton: SyntheticSkeleton | None = None,
        keypoints: Mapping[str, NDArray[np.float64]] | None = None,
        keypoint_joint: Mapping[str, str] | None = None,
        geodesics: GeodesicTable | Callable[[], GeodesicTable] | None = None,
        shapes: BodyShapes | None = None,
        base_atlas: ChartAtlas | None = None,
    ) -> None:
        self.atlas = atlas
        self.num_mesh_vertices = num_mesh_vertices
        self.name = name
        self.official = official
        self.mesh = mesh
        self.symmetry = symmetry
        self.vertex_mirror = vertex_mirror
        self.skeleton = skeleton
        self.keypoints = dict(keypoints or {})
        self.keypoint_joint = dict(keypoint_joint or {})
        self.shapes = shapes
        self.base_atlas = base_atlas
        self._geodesics = geodesics
        self._check()

    def _check(self) -> None:
        count = self.num_mesh_vertices
        if self.atlas.mesh_vertex.max() >= count:
            raise ValueError(
                f"{self.name}: the atlas names mesh vertex {self.atlas.mesh_vertex.max()}, "
                f"the mesh has {count}"
            )
        if self.mesh is not None and self.mesh.num_vertices != count:
            raise ValueError(
                f"{self.name}: mesh has {self.mesh.num_vertices} vertices, not {count}"
            )
        if self.vertex_mirror is not None and (
            self.vertex_mirror.shape != (count,)
            or not np.array_equal(self.vertex_mirror[self.vertex_mirror], np.arange(count))
        ):
            raise ValueError(f"{self.name}: vertex_mirror must be (V,) and its own inverse")
        if self.skeleton is not None and len(self.skeleton.weights) != count:
            raise ValueError(f"{self.name}: skeleton weights are not those of {count} vertices")
        joints = 0 if self.skeleton is None else len(self.skeleton.joint_names)
        if self.shapes is not None and len(self.shapes.mean) != count + joints:
            raise ValueError(
                f"{self.name}: shapes move {len(self.shapes.mean)} places, not {count} vertices "
                f"and {joints} joints"
            )

    @property
    def geodesics(self) -> GeodesicTable:
        """Distances of all mesh vertex pairs; computed or opened at first use.

        Raises:
            ValueError: This surface came without distances and without a mesh.
        """
        if self._geodesics is None and self.mesh is not None:
            self._geodesics = partial(GeodesicTable.from_mesh, self.mesh, mirror=self.vertex_mirror)
        if self._geodesics is None:
            raise ValueError(f"surface {self.name!r} has neither distances nor a mesh")
        if not isinstance(self._geodesics, GeodesicTable):
            self._geodesics = self._geodesics()
        if self._geodesics.num_vertices != self.num_mesh_vertices:
            raise ValueError(
                f"surface {self.name!r}: distances of {self._geodesics.num_vertices} vertices, "
                f"the mesh has {self.num_mesh_vertices}"
            )
        return self._geodesics

    def require(self, *parts: str) -> "BodySurface":
        """Return this surface, if it has the named parts.

        Args:
            *parts: Attribute names: "mesh", "symmetry", "vertex_mirror", "skeleton", "keypoints".

        Returns:
            Itself.

        Raises:
            ValueError: A part is missing.
        """
        for part in parts:
            value = getattr(self, part)
            if value is None or (part == "keypoints" and not value):
                raise ValueError(
                    f"surface {self.name!r} has no {part}; the human body has, and "
                    "docs/surface.md says which official file brings it"
                )
        return self
