"""Dense-pose ground truth of one person and of the N persons of an image.

The content follows the DensePose-COCO annotation; coordinates are box-relative
(docs/conventions.md, frame 3), so resizing an image changes nothing here. Departure from the
official code: no upper limit on the number of points (it padded to 196), and the flip transforms U
and V on all 24 charts (DensePose's symmetry tables).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Self

from mmktn.formats.dense_labels import DENSE_CHANNELS
from mmktn.structures.box_grid import (
    ANNOTATION_GRID,
    box_map_to_other_box,
    box_relative_to_image,
    box_relative_to_other_box,
    image_to_box_relative,
    mirror_box_relative,
    move_image_points,
    warp_box_map,
)
from mmktn.structures.dense_labels import flip_dense_labels
from mmktn.structures.flip_rules import FlipRules
from mmktn.structures.instance_list import InstanceList
from mmktn.structures.map_table import declared_map


@dataclass
class DensePoseAnnotation:
    """Ground truth of one person.

    Attributes:
        point_xy: (P, 2) float32, box-relative.
        point_charts: (P,) int64, 1..24.
        point_uv: (P, 2) float32 in [0, 1].
        coarse_map: (256, 256) uint8 part ids 0..14 over the box, or None (nothing annotated).
        keypoint_xy: (K, 2) float, box-relative, possibly outside [0, 1]; or None.
        keypoint_visible: (K,) int64, COCO v: 0 not labelled, 1 hidden, 2 visible; or None.
        valid: Whether the person carries a dense pose. Without one P is 0 and the maps are None.
        dense_labels: (4, 256, 256) uint8 over the box: chart, U, V and confidence of each cell
            (mmktn/structures/dense_labels.py), labels of a teacher; or None.
        label_maps: Labels of further maps, by the name of the map: (256, 256) or (C, 256, 256) over
            the box. `DenseMap.flip_labels` mirrors them.
        mesh: Name of the mesh that `vertices` refer to (`ref_model`), or None.
        vertex_xy: (Q, 2) float32, box-relative, where vertices are annotated; or None.
        vertices: (Q,) int64 vertex of each, -1 where it is not known; or None.
    """

    point_xy: Tensor
    point_charts: Tensor
    point_uv: Tensor
    coarse_map: Tensor | None = None
    keypoint_xy: Tensor | None = None
    keypoint_visible: Tensor | None = None
    valid: bool = True
    dense_labels: Tensor | None = None
    label_maps: dict[str, Tensor] = field(default_factory=dict)
    mesh: str | None = None
    vertex_xy: Tensor | None = None
    vertices: Tensor | None = None

    def __post_init__(self) -> None:
        """Check that the fields agree.

        Raises:
            ValueError: A shape is wrong; the text names the field.
        """
        num_points = len(self.point_charts)
        for name, shape in (("point_xy", (num_points, 2)), ("point_uv", (num_points, 2))):
            if tuple(getattr(self, name).shape) != shape:
                raise ValueError(f"{name}: shape {tuple(getattr(self, name).shape)}, not {shape}")
        grid = (ANNOTATION_GRID, ANNOTATION_GRID)
        if self.coarse_map is not None and tuple(self.coarse_map.shape) != grid:
            raise ValueError(f"coarse_map: shape {tuple(self.coarse_map.shape)}, not {grid}")
        dense = (len(DENSE_CHANNELS), *grid)
        if self.dense_labels is not None and tuple(self.dense_labels.shape) != dense:
            raise ValueError(f"dense_labels: shape {tuple(self.dense_labels.shape)}, not {dense}")
        for name, labels in self.label_maps.items():
            if tuple(labels.shape[-2:]) != grid or labels.ndim not in (2, 3):
                raise ValueError(f"label_maps[{name!r}]: shape {tuple(labels.shape)}, not {grid}")
        xy, visible = self.keypoint_xy, self.keypoint_visible
        if (xy is None) != (visible is None):
            raise ValueError("keypoint_xy and keypoint_visible: give both or neither")
        if xy is not None and visible is not None and len(xy) != len(visible):
            raise ValueError(f"keypoint_visible: {len(visible)} values, keypoint_xy: {len(xy)}")
        self._check_vertices()
        maps = (self.coarse_map, self.dense_labels, *self.label_maps.values(), self.vertices)
        if not self.valid and (num_points or any(item is not None for item in maps)):
            raise ValueError(
                "valid: a person without dense pose can have neither points nor maps "
                "(coarse_map, dense_labels, label_maps), nor vertices"
            )

    def _check_vertices(self) -> None:
        vertices = (self.mesh, self.vertex_xy, self.vertices)
        if len({item is None for item in vertices}) > 1:
            raise ValueError("mesh, vertex_xy and vertices: give all or none")
        if self.vertex_xy is not None and self.vertices is not None:
            shape = (len(self.vertices), 2)
            if tuple(self.vertex_xy.shape) != shape:
                raise ValueError(f"vertex_xy: shape {tuple(self.vertex_xy.shape)}, not {shape}")

    @classmethod
    def without_densepose(
        cls, keypoint_xy: Tensor | None = None, keypoint_visible: Tensor | None = None
    ) -> DensePoseAnnotation:
        """Make the record of a person that carries no dense pose (keypoints may still be known)."""
        return cls(
            point_xy=torch.zeros(0, 2),
            point_charts=torch.zeros(0, dtype=torch.int64),
            point_uv=torch.zeros(0, 2),
            keypoint_xy=keypoint_xy,
            keypoint_visible=keypoint_visible,
            valid=False,
        )

    @property
    def num_points(self) -> int:
        """Number of annotated points P."""
        return len(self.point_charts)

    @property
    def num_vertices(self) -> int:
        """Number of annotated vertices Q."""
        return 0 if self.vertices is None else len(self.vertices)

    def map(self, function: Callable[[Tensor], Tensor]) -> DensePoseAnnotation:
        """Apply a function to every tensor."""
        values: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        for name, value in values.items():
            if isinstance(value, Tensor):
                values[name] = function(value)
        values["label_maps"] = self._mapped_labels(function)
        return DensePoseAnnotation(**values)

    def _mapped_labels(self, function: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Label maps with a function applied to each."""
        return {name: function(labels) for name, labels in self.label_maps.items()}

    def flip(self, rules: FlipRules) -> DensePoseAnnotation:
        """Mirror left to right: positions, charts, U and V, maps, keypoints.

        Args:
            rules: Tables of the surface.

        Returns:
            A new annotation; flipping it again gives this one up to one table step (1/255) in U and
            V.

        Raises:
            ValueError: There are points or dense labels but `rules.flip_uv` is None, or vertices of
                a mesh whose mirror is not known.
        """
        flipped = replace(self, point_xy=mirror_box_relative(self.point_xy))
        if rules.flip_uv is None and (self.num_points or self.dense_labels is not None):
            name = "point_uv" if self.num_points else "dense_labels"
            raise ValueError(f"{name}: cannot be flipped without the surface's UV symmetry tables")
        if self.num_points and rules.flip_uv is not None:
            charts = self.point_charts.cpu().numpy()
            u, v = rules.flip_uv(charts, *self.point_uv.cpu().numpy().T)
            uv = torch.from_numpy(np.stack((u, v), axis=1).astype(np.float32))
            flipped.point_uv = uv.to(self.point_uv.device)
            flipped.point_charts = _permuted(self.point_charts, rules.chart_flip)
        if self.coarse_map is not None:
            flipped.coarse_map = _permuted(self.coarse_map.flip(-1), rules.coarse_flip)
        if self.dense_labels is not None and rules.flip_uv is not None:
            flipped.dense_labels = flip_dense_labels(
                self.dense_labels, rules.chart_flip, rules.flip_uv
            )
        if self.vertices is not None and self.vertex_xy is not None and self.mesh is not None:
            flipped.vertex_xy = mirror_box_relative(self.vertex_xy)
            flipped.vertices = _mirrored_vertices(self.vertices, self.mesh, rules)
        flipped.label_maps = {
            name: declared_map(name).flip_labels(labels.flip(-1), rules)
            for name, labels in self.label_maps.items()
        }
        if self.keypoint_xy is not None and self.keypoint_visible is not None:
            order = torch.tensor(rules.keypoint_flip, device=self.keypoint_xy.device)
            flipped.keypoint_xy = mirror_box_relative(self.keypoint_xy)[order]
            flipped.keypoint_visible = self.keypoint_visible[order]
        return flipped

    def rebase(self, from_box_xyxy: Tensor, to_box_xyxy: Tensor) -> DensePoseAnnotation:
        """Refer all coordinates to another box, pixels staying where they are.

        See `warp` for pixels that move.

        Args:
            from_box_xyxy: (4,) box that the coordinates refer to now.
            to_box_xyxy: (4,) box that they shall refer to, in the same image frame.

        Returns:
            A new annotation. Points may lie outside [0, 1]; maps are cut or filled with 0.
        """
        boxes = (from_box_xyxy, to_box_xyxy)
        rebased = replace(self, point_xy=box_relative_to_other_box(self.point_xy, *boxes))
        if self.coarse_map is not None:
            rebased.coarse_map = box_map_to_other_box(self.coarse_map, *boxes)
        if self.dense_labels is not None:
            rebased.dense_labels = box_map_to_other_box(self.dense_labels, *boxes)
        rebased.label_maps = self._mapped_labels(lambda m: box_map_to_other_box(m, *boxes))
        if self.keypoint_xy is not None:
            rebased.keypoint_xy = box_relative_to_other_box(self.keypoint_xy, *boxes)
        if self.vertex_xy is not None:
            rebased.vertex_xy = box_relative_to_other_box(self.vertex_xy, *boxes)
        return rebased

    def warp(
        self, matrix: Tensor, from_box_xyxy: Tensor, to_box_xyxy: Tensor
    ) -> DensePoseAnnotation:
        """Move with an image that is scaled, rotated or sheared, and refer to an upright box.

        Labels do not change under a rotation; a mirror is `flip`'s business.

        Args:
            matrix: (2, 3) or (3, 3), old image pixels -> new image pixels.
            from_box_xyxy: (4,) box that the coordinates refer to, in the old image.
            to_box_xyxy: (4,) box that they shall refer to, in the new image.

        Returns:
            A new annotation. Points may lie outside [0, 1]; maps are read at the nearest cell and
            are 0 outside the first box.

        Raises:
            ValueError: The matrix is singular or mirrors.
        """
        matrix = matrix.double()[:2]
        if float(torch.linalg.det(matrix[:, :2])) <= 0:
            raise ValueError(f"matrix: {matrix.tolist()} mirrors the image or is singular")
        boxes = (from_box_xyxy.double(), to_box_xyxy.double())

        def moved(points: Tensor) -> Tensor:
            pixels = move_image_points(box_relative_to_image(points.double(), boxes[0]), matrix)
            return image_to_box_relative(pixels, boxes[1]).to(points.dtype)

        warped = replace(self, point_xy=moved(self.point_xy))
        if self.keypoint_xy is not None:
            warped.keypoint_xy = moved(self.keypoint_xy)
        if self.vertex_xy is not None:
            warped.vertex_xy = moved(self.vertex_xy)
        if self.coarse_map is not None:
            warped.coarse_map = warp_box_map(self.coarse_map, matrix, *boxes)
        if self.dense_labels is not None:
            warped.dense_labels = warp_box_map(self.dense_labels, matrix, *boxes)
        warped.label_maps = self._mapped_labels(lambda m: warp_box_map(m, matrix, *boxes))
        return warped


class DensePoseAnnotations(InstanceList[DensePoseAnnotation]):
    """Ground truth of the N persons of an image; a field of `gt_instances`."""

    @property
    def valid(self) -> Tensor:
        """(N,) bool, on the CPU: which persons carry a dense pose."""
        return torch.tensor([item.valid for item in self], dtype=torch.bool)

    @property
    def num_points(self) -> Tensor:
        """(N,) int64, on the CPU: number of points of each person."""
        return torch.tensor([item.num_points for item in self], dtype=torch.int64)

    @property
    def with_keypoints(self) -> Tensor:
        """(N,) bool, on the CPU: which persons have a labelled keypoint."""
        return torch.tensor(
            [
                item.keypoint_visible is not None and bool((item.keypoint_visible > 0).any())
                for item in self
            ],
            dtype=torch.bool,
        )

    def flip(self, rules: FlipRules) -> Self:
        """Mirror every person left to right; see `DensePoseAnnotation.flip`. Order is kept."""
        return self._like(item.flip(rules) for item in self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as numpy arrays: each tensor shared by a worker would cost a file descriptor."""
        return _annotations_from_arrays, ([_to_arrays(item) for item in self],)


def _permuted(labels: Tensor, table: NDArray[np.int64]) -> Tensor:
    """Send labels through a permutation table, keeping their dtype."""
    lookup = torch.tensor(table, dtype=labels.dtype, device=labels.device)
    return lookup.index_select(0, labels.flatten().int()).view(labels.shape)


def _mirrored_vertices(vertices: Tensor, mesh: str, rules: FlipRules) -> Tensor:
    """Return the vertices of the mirrored body; -1, a vertex that is not known, stays -1."""
    if mesh not in rules.vertex_mirrors:
        raise ValueError(
            f"dp_vertex: no mirror of the mesh {mesh!r} is known; give DensePoseRandomFlip the "
            "folder with symmetry/symmetry_<mesh>.pkl as mesh_folder, or leave the flip out"
        )
    table = rules.vertex_mirrors[mesh]
    if len(vertices) and int(vertices.max()) >= len(table):
        raise ValueError(f"dp_vertex {int(vertices.max())}: {mesh} has {len(table)} vertices")
    mirrored = _permuted(vertices.clamp(min=0), table)
    return torch.where(vertices < 0, vertices, mirrored)


def _to_arrays(item: DensePoseAnnotation) -> dict[str, Any]:
    """Record -> dict of numpy arrays (and the flag)."""
    values = {each.name: getattr(item, each.name) for each in fields(item)}
    arrays = {k: v.cpu().numpy() if isinstance(v, Tensor) else v for k, v in values.items()}
    arrays["label_maps"] = {name: labels.cpu().numpy() for name, labels in item.label_maps.items()}
    return arrays


def _annotations_from_arrays(items: list[dict[str, Any]]) -> DensePoseAnnotations:
    """Return the inverse of `_to_arrays` over a list."""
    return DensePoseAnnotations(_from_arrays(item) for item in items)


def _from_arrays(values: dict[str, Any]) -> DensePoseAnnotation:
    """Return the inverse of `_to_arrays`."""
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            values[name] = torch.from_numpy(value)
    values["label_maps"] = {k: torch.from_numpy(v) for k, v in values["label_maps"].items()}
    return DensePoseAnnotation(**values)
