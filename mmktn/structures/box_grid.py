"""Every conversion between frames: image pixels, box-relative, annotation grid, map grid.

Frames are those of docs/conventions.md; each function name says source and destination. The
formulas are those of the training side of DensePose R-CNN; evaluation has its own grid (dp / 255)
and does not come through here. Points are (..., 2) with x before y, boxes are xyxy in pixels. The
only half pixel is that of COCO's keypoints, which are pixel indices.
"""

import torch
from torch import Tensor

from mmktn.formats.masks import MASK_SIDE

ANNOTATION_GRID = MASK_SIDE
"""Cells of the annotation grid (dp_x, dp_y, dp_masks) along each side of a person's box."""


def annotation_grid_to_box_relative(dp_xy: Tensor) -> Tensor:
    """Map points of the annotation grid (0..256) to the box-relative frame (0..1).

    Args:
        dp_xy: (..., 2) dp_x, dp_y as they stand in the JSON.

    Returns:
        (..., 2) box-relative points; exact in floating point (a division by 2**8).
    """
    return dp_xy / ANNOTATION_GRID


def keypoint_index_to_image(keypoints: Tensor) -> Tensor:
    """Map keypoints as COCO writes them (pixel indices) to image coordinates: the pixel's centre.

    Args:
        keypoints: (..., 2) x, y of a COCO file.

    Returns:
        (..., 2) image pixels, whose pixel `i` has its centre at `i + 0.5`.
    """
    return keypoints + 0.5


def image_to_keypoint_index(points: Tensor) -> Tensor:
    """Map image coordinates to COCO's pixel indices, the inverse of the above."""
    return points - 0.5


def box_relative_to_image(points: Tensor, box_xyxy: Tensor) -> Tensor:
    """Map box-relative points to image pixels: `x = x0 + p * w`.

    Args:
        points: (..., P, 2) box-relative, or (P, 2).
        box_xyxy: (..., 4) one box for each group of P points: (4,) for (P, 2), (N, 4) for (N, P,
            2).

    Returns:
        Points of the same shape in image pixels.
    """
    origin, extent = _origin_and_extent(box_xyxy)
    return origin.unsqueeze(-2) + points * extent.unsqueeze(-2)


def image_to_box_relative(points: Tensor, box_xyxy: Tensor) -> Tensor:
    """Map image points to the box-relative frame: `p = (x - x0) / w`.

    Raises:
        ValueError: A box has no width or no height.
    """
    origin, extent = _origin_and_extent(box_xyxy)
    _require_extent(extent, box_xyxy)
    return (points - origin.unsqueeze(-2)) / extent.unsqueeze(-2)


def box_relative_to_other_box(points: Tensor, from_box_xyxy: Tensor, to_box_xyxy: Tensor) -> Tensor:
    """Re-base box-relative points on another box, the pixels they mark staying where they are.

    Needed when a transform clips a box: both frames then differ although no pixel moved.

    Args:
        points: (..., P, 2) relative to `from_box_xyxy`.
        from_box_xyxy: (..., 4) box the points refer to now.
        to_box_xyxy: (..., 4) box they shall refer to, in the same image frame.

    Returns:
        (..., P, 2) relative to `to_box_xyxy`; values outside [0, 1] lie outside that box.
    """
    return image_to_box_relative(box_relative_to_image(points, from_box_xyxy), to_box_xyxy)


def box_map_to_other_box(box_map: Tensor, from_box_xyxy: Tensor, to_box_xyxy: Tensor) -> Tensor:
    """Re-base a label map that spans a box on another box: nearest cell, 0 outside the first box.

    Args:
        box_map: (..., G, G) labels over `from_box_xyxy`.
        from_box_xyxy: (4,) box.
        to_box_xyxy: (4,) box in the same image frame.

    Returns:
        (..., G, G) labels over `to_box_xyxy`; each cell shows what lies under its centre.
    """
    cells = box_map.shape[-1]
    centres = (torch.arange(cells, device=box_map.device) + 0.5) / cells
    centres = torch.stack((centres, centres), dim=-1).to(from_box_xyxy.dtype)
    source = box_relative_to_other_box(centres, to_box_xyxy, from_box_xyxy) * cells
    index = source.floor().long()
    inside = (index >= 0) & (index < cells)
    index = index.clamp(0, cells - 1)
    moved = box_map[..., index[:, 1], :][..., index[:, 0]]
    return moved * (inside[:, None, 1] & inside[None, :, 0]).to(box_map.dtype)


def move_image_points(points: Tensor, matrix: Tensor) -> Tensor:
    """Move image points (..., 2) by an affine matrix (2, 3): old pixels -> new pixels."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def warp_box_map(
    box_map: Tensor, matrix: Tensor, from_box_xyxy: Tensor, to_box_xyxy: Tensor
) -> Tensor:
    """Read a label map that spans a box on the cells of a box in a moved image: nearest cell.

    Args:
        box_map: (..., G, G) labels over `from_box_xyxy`.
        matrix: (2, 3) old image pixels -> new image pixels, invertible.
        from_box_xyxy: (4,) box in the old image.
        to_box_xyxy: (4,) box in the new image.

    Returns:
        (..., G, G) labels over `to_box_xyxy`, 0 outside the first box.
    """
    scale = matrix[:, :2].diagonal()
    if float(matrix[0, 1]) == float(matrix[1, 0]) == 0 and bool((scale > 0).all()):
        # Not turned: rows and columns can be read one by one, in a tenth of the time.
        back = (to_box_xyxy.to(matrix.dtype).view(2, 2) - matrix[:, 2]) / scale
        return box_map_to_other_box(box_map, from_box_xyxy.to(matrix.dtype), back.flatten())
    cells = box_map.shape[-1]
    centres = (torch.arange(cells, device=matrix.device) + 0.5).to(matrix.dtype) / cells
    grid = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), dim=-1).view(-1, 2)
    there = box_relative_to_image(grid, to_box_xyxy.to(matrix.dtype))
    back = torch.linalg.solve(matrix[:, :2], (there - matrix[:, 2]).T).T
    source = image_to_box_relative(back, from_box_xyxy.to(matrix.dtype)) * cells
    index = source.floor().long()
    inside = ((index >= 0) & (index < cells)).all(dim=-1)
    flat = (index[:, 1] * cells + index[:, 0]).where(inside, 0).to(box_map.device)
    moved = box_map.flatten(-2)[..., flat] * inside.to(box_map.device, box_map.dtype)
    return moved.unflatten(-1, (cells, cells))


def mirror_box_relative(points: Tensor) -> Tensor:
    """Mirror box-relative points left to right: `x -> 1 - x`."""
    return torch.stack((1 - points[..., 0], points[..., 1]), dim=-1)


def image_to_map_grid(points: Tensor, rois_xyxy: Tensor, map_hw: tuple[int, int]) -> Tensor:
    """Map image points to cell coordinates of a RoI's map: `g = (x - x0) * A / w`.

    Args:
        points: (P, 2) image pixels.
        rois_xyxy: (P, 4) the RoI of each point, or (4,) one for all.
        map_hw: Size of the map in cells.

    Returns:
        (P, 2) cell coordinates, x first; `g = 3.0` is exactly cell index 3. Not clamped.
    """
    origin, extent = _origin_and_extent(rois_xyxy)
    cells = points.new_tensor([map_hw[1], map_hw[0]])
    return (points - origin) * cells / extent


def points_inside_rois(points: Tensor, rois_xyxy: Tensor) -> Tensor:
    """Say which image points lie inside their RoI: `0 <= x - x0 < w`, the same in y.

    Args:
        points: (P, 2) image pixels.
        rois_xyxy: (P, 4) or (4,).

    Returns:
        (P,) bool.
    """
    origin, extent = _origin_and_extent(rois_xyxy)
    offset = points - origin
    return ((offset >= 0) & (offset < extent)).all(dim=-1)


def image_to_keypoint_cells(
    keypoints: Tensor, rois_xyxy: Tensor, map_hw: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Find the map cell of each keypoint: `floor((x - x0) * A / w)`, right edge -> A - 1.

    Args:
        keypoints: (N, K, 2) image pixels.
        rois_xyxy: (N, 4).
        map_hw: Size of the map in cells.

    Returns:
        cells (N, K) int64, flat index `y * w + x`, 0 where outside; inside (N, K) bool. Visibility
        is the caller's business.
    """
    origin, extent = _origin_and_extent(rois_xyxy)
    size = keypoints.new_tensor([map_hw[1], map_hw[0]])
    cell = ((keypoints - origin[:, None]) * (size / extent)[:, None]).floor().long()
    on_far_edge = keypoints == rois_xyxy[:, None, 2:]
    cell = torch.where(on_far_edge, size.long() - 1, cell)
    inside = ((cell >= 0) & (cell < size.long())).all(dim=-1)
    flat = cell[..., 1] * map_hw[1] + cell[..., 0]
    return torch.where(inside, flat, torch.zeros_like(flat)), inside


def roi_to_box_sampling_grid(
    rois_xyxy: Tensor, boxes_xyxy: Tensor, map_hw: tuple[int, int]
) -> Tensor:
    """Build the grid that reads box-frame maps (dp_masks) at the cells of RoI maps.

    Cell i of A takes the position `i / A` of the RoI. Use with `grid_sample(..., mode='nearest',
    padding_mode='zeros', align_corners=True)` to repeat the official target exactly.

    Args:
        rois_xyxy: (N, 4) RoIs whose maps are filled.
        boxes_xyxy: (N, 4) boxes over which the source maps span.
        map_hw: Size of the RoI maps in cells.

    Returns:
        (N, h, w, 2) normalised coordinates (-1..1 over the box), x first.
    """
    _, roi_extent = _origin_and_extent(rois_xyxy)
    box_origin, box_extent = _origin_and_extent(boxes_xyxy)
    first = 2 * (rois_xyxy[:, :2] - box_origin) / box_extent - 1
    last = 2 * (rois_xyxy[:, :2] + roi_extent - box_origin) / box_extent - 1
    step = last - first
    h, w = map_hw
    along_x = torch.arange(w, device=rois_xyxy.device, dtype=rois_xyxy.dtype) / w
    along_y = torch.arange(h, device=rois_xyxy.device, dtype=rois_xyxy.dtype) / h
    x = along_x[None] * step[:, :1] + first[:, :1]
    y = along_y[None] * step[:, 1:] + first[:, 1:]
    return torch.stack((x[:, None].expand(-1, h, -1), y[:, :, None].expand(-1, -1, w)), dim=-1)


def result_box_hw(boxes_xyxy: Tensor) -> Tensor:
    """Size of the decoded result of each box: `max(int(y2 - y1), 1), max(int(x2 - x1), 1)`.

    Args:
        boxes_xyxy: (N, 4) image pixels.

    Returns:
        (N, 2) int64, height before width.
    """
    _, extent = _origin_and_extent(boxes_xyxy)
    return extent.flip(-1).long().clamp(min=1)


def result_box_origin_xy(boxes_xyxy: Tensor) -> Tensor:
    """Pixel under the top-left cell of a result: `int(x1), int(y1)`; (N, 4) -> (N, 2) int64."""
    return boxes_xyxy[..., :2].long()


def _origin_and_extent(boxes_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """Split boxes into their corner and their (w, h)."""
    return boxes_xyxy[..., :2], boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]


def _require_extent(extent: Tensor, boxes_xyxy: Tensor) -> None:
    """Reject boxes whose frame would divide by zero."""
    if bool((extent <= 0).any()):
        raise ValueError(f"a box has no width or height: {boxes_xyxy.tolist()} (xyxy, pixels)")
