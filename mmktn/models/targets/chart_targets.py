"""Training targets of the dense-pose branch, in the frame of the RoIs (methods 1.4, 12.3).

`DensePoseDataFilter` and the packed annotations of detectron2. Nothing depends on the size of the
maps until a loss asks, so maps of different sizes (keypoints of KTM version 1) share one target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmktn.structures import DensePoseAnnotations
from mmktn.structures.box_grid import (
    box_relative_to_image,
    image_to_keypoint_cells,
    image_to_map_grid,
    points_inside_rois,
    roi_to_box_sampling_grid,
)


@dataclass
class ChartTargets:
    """Supervision of N RoIs.

    Attributes:
        rois_xyxy: (N, 4) RoIs, network-input pixels.
        gt_boxes_xyxy: (N, 4) the persons they are matched to.
        roi_index: (P,) int64, RoI of each point; only points inside their RoI are kept.
        point_xy: (P, 2) image pixels.
        point_charts: (P,) int64 1..24.
        point_uv: (P, 2).
        coarse_index: (M,) int64, RoIs whose person has a coarse map.
        coarse_maps: (M, 256, 256) uint8 parts 0..14 over the person's box.
        keypoint_xy: (N, K, 2) image pixels; None if no person carries keypoints.
        keypoint_labelled: (N, K) bool, v > 0; None if no person carries keypoints.
    """

    rois_xyxy: Tensor
    gt_boxes_xyxy: Tensor
    roi_index: Tensor
    point_xy: Tensor
    point_charts: Tensor
    point_uv: Tensor
    coarse_index: Tensor
    coarse_maps: Tensor
    keypoint_xy: Tensor | None = None
    keypoint_labelled: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rois_xyxy)

    def point_grid(self, map_hw: Sequence[int]) -> Tensor:
        """Cell coordinates (P, 2) of the points on maps of that size."""
        return image_to_map_grid(self.point_xy, self.rois_xyxy[self.roi_index], _pair(map_hw))

    def coarse_target(self, map_hw: Sequence[int]) -> Tensor:
        """Part ids (M, h, w) int64 of the RoIs `coarse_index`; 0 outside the person's box."""
        grid = roi_to_box_sampling_grid(
            self.rois_xyxy[self.coarse_index], self.gt_boxes_xyxy[self.coarse_index], _pair(map_hw)
        )
        if not len(grid):
            return grid.new_zeros((0, *map_hw), dtype=torch.int64)
        resampled = F.grid_sample(
            self.coarse_maps[:, None].to(grid.dtype),
            grid,
            mode="nearest",
            padding_mode="zeros",
            align_corners=True,
        )
        return resampled[:, 0].long()

    def keypoint_cells(self, map_hw: Sequence[int]) -> tuple[Tensor, Tensor] | None:
        """Flat cell (N, K) int64 of each keypoint and which (N, K) bool are to be learned."""
        if self.keypoint_xy is None or self.keypoint_labelled is None:
            return None
        cells, inside = image_to_keypoint_cells(self.keypoint_xy, self.rois_xyxy, _pair(map_hw))
        return cells, inside & self.keypoint_labelled


def build_chart_targets(
    rois_xyxy: Tensor, gt_boxes_xyxy: Tensor, annotations: DensePoseAnnotations
) -> ChartTargets:
    """Collect the supervision of N RoIs.

    Args:
        rois_xyxy: (N, 4) RoIs, network-input pixels.
        gt_boxes_xyxy: (N, 4) the person matched to each, same frame.
        annotations: That person's annotation, N of them (a person may occur several times).

    Returns:
        Targets on the device of the RoIs.

    Raises:
        ValueError: The three do not have the same length.
    """
    if not len(rois_xyxy) == len(gt_boxes_xyxy) == len(annotations):
        raise ValueError(
            f"{len(rois_xyxy)} RoIs, {len(gt_boxes_xyxy)} boxes, {len(annotations)} annotations: "
            "one of each per RoI is needed"
        )
    device = rois_xyxy.device
    counts = torch.tensor([item.num_points for item in annotations], device=device)
    roi_index = torch.repeat_interleave(
        torch.arange(len(annotations), device=device), counts.long()
    )
    relative = _cat([item.point_xy for item in annotations], (0, 2), rois_xyxy)
    point_xy = box_relative_to_image(relative[:, None], gt_boxes_xyxy[roi_index])[:, 0]
    inside = points_inside_rois(point_xy, rois_xyxy[roi_index])
    charts = _cat([item.point_charts for item in annotations], (0,), counts.long())
    uv = _cat([item.point_uv for item in annotations], (0, 2), rois_xyxy)
    coarse = {i: item.coarse_map for i, item in enumerate(annotations)}
    known = {i: part_map.to(device) for i, part_map in coarse.items() if part_map is not None}
    keypoint_xy, labelled = _keypoints(gt_boxes_xyxy, annotations)
    return ChartTargets(
        rois_xyxy=rois_xyxy,
        gt_boxes_xyxy=gt_boxes_xyxy,
        roi_index=roi_index[inside],
        point_xy=point_xy[inside],
        point_charts=charts[inside],
        point_uv=uv[inside],
        coarse_index=torch.tensor(list(known), dtype=torch.int64, device=device),
        coarse_maps=torch.stack(list(known.values()))
        if known
        else torch.zeros((0, 1, 1), dtype=torch.uint8, device=device),
        keypoint_xy=keypoint_xy,
        keypoint_labelled=labelled,
    )


def _pair(map_hw: Sequence[int]) -> tuple[int, int]:
    """Height and width, from the shape of a tensor as well."""
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
    """Keypoints (N, K, 2) in image pixels and whether they are labelled (N, K)."""
    known = [item.keypoint_xy for item in annotations if item.keypoint_xy is not None]
    if not known:
        return None, None
    shape = (len(annotations), len(known[0]))
    relative = gt_boxes_xyxy.new_zeros((*shape, 2))
    labelled = torch.zeros(shape, dtype=torch.bool, device=gt_boxes_xyxy.device)
    for index, item in enumerate(annotations):
        if item.keypoint_xy is not None and item.keypoint_visible is not None:
            relative[index] = item.keypoint_xy.to(relative)
            labelled[index] = item.keypoint_visible.to(relative.device) > 0
    return box_relative_to_image(relative, gt_boxes_xyxy), labelled
