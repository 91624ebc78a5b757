"""Frames of a top-down system: image pixels, and the pixels of a crop around a person's box.

The crop is that of mmpose's top-down pipeline (centre, scale, rotation), except that pixel centres
lie at index + 0.5 (docs/conventions.md, frame 1) in both frames; mmpose takes indices for
coordinates, which moves the crop by half a crop pixel against the resized one of region-based
systems.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmktn.structures.box_grid import image_to_box_relative, move_image_points


def crop_matrix(
    center_xy: Sequence[float],
    scale_wh: Sequence[float],
    *,
    size_wh: Sequence[int],
    rotation: float = 0.0,
) -> Tensor:
    """Make the matrix from image to crop pixels: the centre goes to the middle of the crop.

    Args:
        center_xy: Centre of the person's box, image pixels.
        scale_wh: Width and height that the crop covers, image pixels, in the crop's aspect ratio;
            the width decides.
        size_wh: Width and height of the crop in its own pixels.
        rotation: Degrees by which the crop's axes are turned in the image (clockwise, y down), as
            mmpose's `bbox_rotation`.

    Returns:
        (2, 3) float64.

    Raises:
        ValueError: The scale is not positive and finite.
    """
    width, height = (float(value) for value in scale_wh)
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise ValueError(f"scale_wh: {width:g} x {height:g} is not the size of a crop")
    angle = math.radians(float(rotation))
    cos, sin = math.cos(angle), math.sin(angle)
    linear = torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float64) * (size_wh[0] / width)
    center = torch.tensor([float(value) for value in center_xy], dtype=torch.float64)
    middle = torch.tensor([size_wh[0] / 2, size_wh[1] / 2], dtype=torch.float64)
    return torch.cat((linear, (middle - linear @ center)[:, None]), dim=1)


def index_matrix(matrix: Tensor) -> Tensor:
    """Matrix (2, 3) between pixel coordinates -> the same map between pixel indices.

    OpenCV's `warpAffine` reads indices, whose coordinates are index + 0.5.
    """
    half = matrix.new_tensor([0.5, 0.5])
    shift = move_image_points(half, matrix) - half
    return torch.cat((matrix[:, :2], shift[:, None]), dim=1)


def upright_box(box_xyxy: Tensor, matrix: Tensor) -> Tensor:
    """Return the smallest upright boxes (..., 4) around boxes (..., 4) moved by a matrix (2, 3)."""
    x1, y1, x2, y2 = box_xyxy.to(matrix.dtype).unbind(-1)
    corners = torch.stack((x1, y1, x2, y1, x1, y2, x2, y2), dim=-1)
    moved = move_image_points(corners.unflatten(-1, (4, 2)), matrix)
    return torch.cat((moved.amin(dim=-2), moved.amax(dim=-2)), dim=-1)


def crop_window(center_xy: Tensor, scale_wh: Tensor) -> Tensor:
    """Return the part (N, 4) xyxy of the image under unrotated crops: centre -+ scale / 2."""
    return torch.cat((center_xy - scale_wh / 2, center_xy + scale_wh / 2), dim=-1)


def box_in_window(boxes_xyxy: Tensor, windows_xyxy: Tensor) -> Tensor:
    """Express boxes (N, 4) in shares of their windows (N, 4), float64: (0, 0, 1, 1) is all.

    Raises:
        ValueError: A window has no width or height where its box is another one.
    """
    same = (boxes_xyxy == windows_xyxy).all(dim=-1)
    whole = boxes_xyxy.new_tensor([0, 0, 1, 1], dtype=torch.float64).expand(len(boxes_xyxy), 4)
    if bool(same.all()):
        return whole
    windows = torch.where(same[:, None], whole, windows_xyxy.double())
    corners = boxes_xyxy.double().view(-1, 2, 2)
    return torch.where(same[:, None], whole, image_to_box_relative(corners, windows).view(-1, 4))
