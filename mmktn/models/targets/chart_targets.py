"""Training targets of the dense-pose branch, in the frame of the RoIs (detectron2's DensePose).

`DensePoseDataFilter` and the packed annotations of detectron2. Nothing depends on the size of the
maps until a loss asks, so maps of different sizes (keypoints of KTM version 1) share one target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from mmktn.structures import DensePoseAnnotations, decode_unit_bytes
from mmktn.structures.box_grid import (
    box_relative_to_image,
    image_to_keypoint_cells,
    image_to_map_grid,
    points_inside_rois,
    roi_to_box_sampling_grid,
)


@dataclass
class VertexPoints:
    """Points at which the vertex of a mesh is known, of N RoIs; those inside their RoI.

    Attributes:
        roi_index: (Q,) int64, RoI of each point.
        xy: (Q, 2) image pixels.
        vertices: (Q,) int64, -1 where it is not known.
        mesh_index: (Q,) int64, place of its mesh in `ChartTargets.mesh_names`.
        mesh_names: Meshes of all persons with points, inside their RoIs or not, in order of the
            names.
    """

    roi_index: Tensor
    xy: Tensor
    vertices: Tensor
    mesh_index: Tensor
    mesh_names: tuple[str, ...]

    def on(self, mesh: str) -> Tensor:
        """Tell which points (Q,) lie on a mesh."""
        if mesh not in self.mesh_names:
            return torch.zeros_like(self.mesh_index, dtype=torch.bool)
        return self.mesh_index == self.mesh_names.index(mesh)


@dataclass
class ChartTargets:
    """Supervision of N RoIs.

    Attributes:
        rois_xyxy: (N, 4) RoIs, network-input pixels.
        gt_boxes_xyxy: (G, 4) the persons on them: one per RoI, in order, in the RoI systems; any
            number on the whole input, which is the RoI of a fully convolutional system.
        roi_index: (P,) int64, RoI of each point; only points inside their RoI are kept.
        point_xy: (P, 2) image pixels.
        point_charts: (P,) int64 1..24; 0 for the background points at the end.
        point_uv: (P, 2).
        coarse_index: (M,) int64, RoI of each coarse map.
        coarse_maps: (M, 256, 256) uint8 parts 0..14 over the person's box.
        coarse_boxes_xyxy: (M, 4) that box.
        keypoint_xy: (N, K, 2) image pixels; None if no person carries keypoints.
        keypoint_labelled: (N, K) bool, v > 0; None if no person carries keypoints.
        dense_index: (M',) int64, RoI of each person with dense labels.
        dense_labels: (M', 4, 256, 256) uint8 over the person's box; None if no person has any.
        dense_boxes_xyxy: (M', 4) that box.
        num_background: Number of points at the end that show background; they train the chart
            classifier alone.
        label_maps: Labels of further maps, by name: RoIs (L,) that have them, the labels
            (L, C, 256, 256) over the persons' boxes, and these boxes (L, 4).
        num_annotated: RoIs whose person carries points, inside the RoI or not.
        coarse_complete: Whether each of them has a coarse map.
        vertex_points: Points with vertices of meshes; None if no person has any.
        roi_masks: (N, h, w) bool, masks of the persons on the cells of the RoIs; None if they are
            not asked for.
    """

    rois_xyxy: Tensor
    gt_boxes_xyxy: Tensor
    roi_index: Tensor
    point_xy: Tensor
    point_charts: Tensor
    point_uv: Tensor
    coarse_index: Tensor
    coarse_maps: Tensor
    coarse_boxes_xyxy: Tensor
    keypoint_xy: Tensor | None = None
    keypoint_labelled: Tensor | None = None
    dense_index: Tensor | None = None
    dense_labels: Tensor | None = None
    dense_boxes_xyxy: Tensor | None = None
    num_background: int = 0
    label_maps: dict[str, tuple[Tensor, Tensor, Tensor]] = field(default_factory=dict)
    num_annotated: int = 0
    coarse_complete: bool = True
    vertex_points: VertexPoints | None = None
    roi_masks: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rois_xyxy)

    @property
    def mesh_names(self) -> tuple[str, ...]:
        """Meshes of the persons, in order of their names."""
        return () if self.vertex_points is None else self.vertex_points.mesh_names

    def vertex_grid(self, map_hw: Sequence[int]) -> Tensor:
        """Return the cell coordinates (Q, 2) of the points with vertices on maps of that size."""
        points = self.vertex_points
        if points is None:
            return self.point_xy[:0]
        return image_to_map_grid(points.xy, self.rois_xyxy[points.roi_index], _pair(map_hw))

    @property
    def num_surface_points(self) -> int:
        """Number of points that lie on a person; they come first."""
        return len(self.roi_index) - self.num_background

    def with_background(self, roi_index: Tensor, point_xy: Tensor) -> ChartTargets:
        """Add points that show no person.

        Args:
            roi_index: (Q,) RoI of each.
            point_xy: (Q, 2) image pixels.

        Returns:
            New targets; chart 0, no U, V.
        """
        count = len(roi_index)
        return replace(
            self,
            roi_index=torch.cat((self.roi_index, roi_index)),
            point_xy=torch.cat((self.point_xy, point_xy.to(self.point_xy))),
            point_charts=torch.cat((self.point_charts, self.point_charts.new_zeros(count))),
            point_uv=torch.cat((self.point_uv, self.point_uv.new_zeros(count, 2))),
            num_background=self.num_background + count,
        )

    def inside_images(self, image_hw: Sequence[Sequence[int]]) -> ChartTargets:
        """Drop points that lie beyond their image, in the padding of a batch.

        Args:
            image_hw: Height and width of the image of each RoI, whose corner is (0, 0).

        Returns:
            New targets, before background is added.
        """
        limits = self.point_xy.new_tensor([(w, h) for h, w in image_hw]).view(-1, 2)
        kept = (self.point_xy < limits[self.roi_index]).all(dim=1)
        names = ("roi_index", "point_xy", "point_charts", "point_uv")
        found = {name: getattr(self, name)[kept] for name in names}
        return replace(self, **found, num_background=int((found["point_charts"] == 0).sum()))

    def point_grid(self, map_hw: Sequence[int], *, half_pixel: bool = False) -> Tensor:
        """Return the cell coordinates (P, 2) of the points on maps of that size.

        With `half_pixel` cell centres lie at index + 0.5. Before the first centre its value holds,
        as in decoding.
        """
        grid = image_to_map_grid(self.point_xy, self.rois_xyxy[self.roi_index], _pair(map_hw))
        return (grid - 0.5).clamp(min=0) if half_pixel else grid

    def coarse_target(self, map_hw: Sequence[int], *, half_pixel: bool = False) -> Tensor:
        """Return part ids (M, h, w) int64 of the RoIs `coarse_index`; 0 outside the person's box.

        With `half_pixel` each cell shows what lies under its centre, otherwise under its corner.
        """
        rois = self._read_rois(self.coarse_index, map_hw, half_pixel=half_pixel)
        parts = _on_roi_cells(self.coarse_maps[:, None], self.coarse_boxes_xyxy, rois, map_hw)
        return parts[:, 0].long()

    def merged_coarse_target(
        self, map_hw: Sequence[int], *, half_pixel: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the coarse targets with the persons of one RoI on one map, a later person on top.

        Args:
            map_hw: Size of the maps in cells.
            half_pixel: As in `coarse_target`.

        Returns:
            RoIs (K,) and their part ids (K, h, w) int64.
        """
        parts = self.coarse_target(map_hw, half_pixel=half_pixel)
        rois, place = torch.unique(self.coarse_index, return_inverse=True)
        if len(rois) == len(parts):
            return self.coarse_index, parts
        merged = parts.new_zeros((len(rois), *parts.shape[1:]))
        for k, part in zip(place.tolist(), parts, strict=True):
            merged[k] = torch.where(part > 0, part, merged[k])
        return rois, merged

    def _read_rois(self, index: Tensor, map_hw: Sequence[int], *, half_pixel: bool) -> Tensor:
        """RoIs (M, 4) whose cells' corners are where labels are read: centres if `half_pixel`."""
        rois = self.rois_xyxy[index]
        if not half_pixel:
            return rois
        h, w = map_hw
        half_cell = (rois[:, 2:] - rois[:, :2]) / (2 * rois.new_tensor([w, h]))
        return rois + half_cell.repeat(1, 2)

    def dense_target(
        self, map_hw: Sequence[int], *, half_pixel: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return dense labels on the cells of the RoIs `dense_index`, read as the coarse map is.

        Args:
            map_hw: Size of the maps in cells.
            half_pixel: As in `coarse_target`.

        Returns:
            Charts (M', h, w) int64, 0 where nothing is labelled; U, V (M', 2, h, w) and
            confidence (M', h, w), float32 in [0, 1].
        """
        if self.dense_labels is None or self.dense_index is None or self.dense_boxes_xyxy is None:
            empty = self.rois_xyxy.new_zeros((0, *map_hw), dtype=torch.float32)
            return empty.long(), empty[:, None].expand(-1, 2, -1, -1), empty
        rois = self._read_rois(self.dense_index, map_hw, half_pixel=half_pixel)
        labels = _on_roi_cells(self.dense_labels, self.dense_boxes_xyxy, rois, map_hw)
        charts = labels[:, 0].long()
        return charts, decode_unit_bytes(labels[:, 1:3]), decode_unit_bytes(labels[:, 3])

    def label_target(
        self, name: str, map_hw: Sequence[int], *, half_pixel: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the labels of a further map on the cells of the RoIs, read as the coarse map is.

        Args:
            name: Key in `DensePoseAnnotation.label_maps`.
            map_hw: Size of the maps in cells.
            half_pixel: As in `coarse_target`.

        Returns:
            RoIs (L,) int64 and labels (L, C, h, w) float32; 0 outside the person's box.
        """
        if name not in self.label_maps:
            empty = self.rois_xyxy.new_zeros((0, 1, *map_hw), dtype=torch.float32)
            return self.coarse_index[:0], empty
        index, labels, boxes = self.label_maps[name]
        rois = self._read_rois(index, map_hw, half_pixel=half_pixel)
        return index, _on_roi_cells(labels, boxes, rois, map_hw).float()

    def keypoint_cells(self, map_hw: Sequence[int]) -> tuple[Tensor, Tensor] | None:
        """Find the flat cell (N, K) int64 of each keypoint, and which (N, K) are to be learned."""
        if self.keypoint_xy is None or self.keypoint_labelled is None:
            return None
        cells, inside = image_to_keypoint_cells(self.keypoint_xy, self.rois_xyxy, _pair(map_hw))
        return cells, inside & self.keypoint_labelled


def build_chart_targets(
    rois_xyxy: Tensor,
    gt_boxes_xyxy: Tensor,
    annotations: DensePoseAnnotations,
    *,
    roi_of_person: Tensor | None = None,
    roi_masks: Tensor | None = None,
) -> ChartTargets:
    """Collect the supervision of N RoIs.

    Args:
        rois_xyxy: (N, 4) RoIs, network-input pixels.
        gt_boxes_xyxy: (G, 4) the person matched to each RoI, same frame; G = N.
        annotations: That person's annotation, N of them (a person may occur several times).
        roi_of_person: (G,) int64, RoI of each person, where a RoI may show any number of persons;
            there are no keypoint targets then. None: person i is on RoI i.
        roi_masks: (N, h, w) bool, see `ChartTargets`.

    Returns:
        Targets on the device of the RoIs.

    Raises:
        ValueError: The three do not have the same length.
    """
    device = rois_xyxy.device
    one_each = roi_of_person is None
    if roi_of_person is None:
        roi_of_person = torch.arange(len(rois_xyxy), device=device)
    if not len(roi_of_person) == len(gt_boxes_xyxy) == len(annotations):
        raise ValueError(
            f"{len(roi_of_person)} RoIs, {len(gt_boxes_xyxy)} boxes, {len(annotations)} "
            "annotations: one of each per RoI is needed"
        )
    counts = torch.tensor([item.num_points for item in annotations], device=device).long()
    person = torch.repeat_interleave(torch.arange(len(annotations), device=device), counts)
    relative = _cat([item.point_xy for item in annotations], (0, 2), rois_xyxy)
    point_xy = box_relative_to_image(relative[:, None], gt_boxes_xyxy[person])[:, 0]
    inside = points_inside_rois(point_xy, rois_xyxy[roi_of_person[person]])
    charts = _cat([item.point_charts for item in annotations], (0,), counts)
    # Points that are labelled as background go to the end, as `num_background` has it.
    kept = inside.nonzero()[:, 0]
    kept = kept[(charts[kept] == 0).int().argsort(stable=True)]
    uv = _cat([item.point_uv for item in annotations], (0, 2), rois_xyxy)
    with_coarse, coarse_maps = _known_maps([item.coarse_map for item in annotations], device)
    with_dense, dense_labels = _known_maps([item.dense_labels for item in annotations], device)
    found = _keypoints(gt_boxes_xyxy, annotations) if one_each else (None, None)
    annotated = [item for item in annotations if item.num_points or item.num_vertices]
    return ChartTargets(
        rois_xyxy=rois_xyxy,
        gt_boxes_xyxy=gt_boxes_xyxy,
        roi_index=roi_of_person[person][kept],
        point_xy=point_xy[kept],
        point_charts=charts[kept],
        point_uv=uv[kept],
        coarse_index=roi_of_person[with_coarse],
        coarse_maps=torch.zeros((0, 1, 1), dtype=torch.uint8, device=device)
        if coarse_maps is None
        else coarse_maps,
        coarse_boxes_xyxy=gt_boxes_xyxy[with_coarse],
        keypoint_xy=found[0],
        keypoint_labelled=found[1],
        dense_index=None if dense_labels is None else roi_of_person[with_dense],
        dense_labels=dense_labels,
        dense_boxes_xyxy=None if dense_labels is None else gt_boxes_xyxy[with_dense],
        num_background=int((charts[kept] == 0).sum()),
        label_maps=_label_maps(annotations, gt_boxes_xyxy, roi_of_person),
        num_annotated=len(annotated),
        coarse_complete=all(item.coarse_map is not None for item in annotated),
        vertex_points=_vertex_points(annotations, rois_xyxy, gt_boxes_xyxy, roi_of_person),
        roi_masks=roi_masks,
    )


def _vertex_points(
    annotations: DensePoseAnnotations,
    rois_xyxy: Tensor,
    gt_boxes_xyxy: Tensor,
    roi_of_person: Tensor,
) -> VertexPoints | None:
    """Return the points with vertices inside their RoIs; None if no person has any."""
    items = [
        (i, item.mesh, item.vertex_xy, item.vertices)
        for i, item in enumerate(annotations)
        if item.mesh is not None and item.vertex_xy is not None and item.vertices is not None
    ]
    if not items:
        return None
    names = tuple(sorted({mesh for _, mesh, _, _ in items}))
    device = rois_xyxy.device
    counts = torch.tensor([len(vertices) for *_, vertices in items], device=device)
    person = torch.repeat_interleave(torch.tensor([i for i, *_ in items], device=device), counts)
    meshes = torch.tensor([names.index(mesh) for _, mesh, _, _ in items], device=device)
    relative = torch.cat([xy.to(rois_xyxy) for _, _, xy, _ in items])
    xy = box_relative_to_image(relative[:, None], gt_boxes_xyxy[person])[:, 0]
    roi_index = roi_of_person[person]
    kept = points_inside_rois(xy, rois_xyxy[roi_index]).nonzero()[:, 0]
    return VertexPoints(
        roi_index=roi_index[kept],
        xy=xy[kept],
        vertices=torch.cat([v.to(device) for *_, v in items])[kept],
        mesh_index=torch.repeat_interleave(meshes, counts)[kept],
        mesh_names=names,
    )


def _label_maps(
    annotations: DensePoseAnnotations, gt_boxes_xyxy: Tensor, roi_of_person: Tensor
) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Return the labels of further maps, see `ChartTargets.label_maps`."""
    found = {}
    for name in dict.fromkeys(name for item in annotations for name in item.label_maps):
        known, labels = _known_maps(
            [item.label_maps.get(name) for item in annotations], gt_boxes_xyxy.device
        )
        if labels is not None:
            labels = labels[:, None] if labels.ndim == 3 else labels
            found[name] = (roi_of_person[known], labels, gt_boxes_xyxy[known])
    return found


def _known_maps(
    maps: Sequence[Tensor | None], device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """Return the persons (M,) that have a map, and their maps stacked, None if there are none."""
    known = {i: item.to(device) for i, item in enumerate(maps) if item is not None}
    stacked = torch.stack(list(known.values())) if known else None
    return torch.tensor(list(known), dtype=torch.int64, device=device), stacked


def _on_roi_cells(
    maps: Tensor, boxes_xyxy: Tensor, rois_xyxy: Tensor, map_hw: Sequence[int]
) -> Tensor:
    """Labels (M, C, 256, 256) over boxes -> (M, C, h, w) over RoIs, nearest, 0 outside."""
    grid = roi_to_box_sampling_grid(rois_xyxy, boxes_xyxy, _pair(map_hw))
    if not len(grid):
        return grid.new_zeros((0, maps.shape[1], *map_hw))
    return F.grid_sample(
        maps.to(grid.dtype), grid, mode="nearest", padding_mode="zeros", align_corners=True
    )


def _pair(map_hw: Sequence[int]) -> tuple[int, int]:
    """Return the height and width, from the shape of a tensor as well."""
    h, w = map_hw
    return h, w


def _cat(parts: list[Tensor], empty_shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Join along the points, with the dtype and device of `like`."""
    if not parts:
        return like.new_zeros(empty_shape)
    return torch.cat([part.to(like.device, like.dtype) for part in parts])


def _keypoints(
    gt_boxes_xyxy: Tensor, annotations: DensePoseAnnotations
) -> tuple[Tensor | None, Tensor | None]:
    """Return the keypoints (N, K, 2) in image pixels and whether they are labelled (N, K)."""
    known = [item.keypoint_xy for item in annotations if item.keypoint_xy is not None]
    if not known:
        return None, None
    shape = (len(annotations), len(known[0]))
    # Moved in float64 and rounded to float32, as detectron2 holds them: rounding on the way would
    # push keypoints that lie on the edge of a cell into the next one.
    boxes = gt_boxes_xyxy.double()
    relative = boxes.new_zeros((*shape, 2))
    labelled = torch.zeros(shape, dtype=torch.bool, device=gt_boxes_xyxy.device)
    for index, item in enumerate(annotations):
        if item.keypoint_xy is not None and item.keypoint_visible is not None:
            relative[index] = item.keypoint_xy.to(relative)
            labelled[index] = item.keypoint_visible.to(relative.device) > 0
    return box_relative_to_image(relative, boxes).float(), labelled
