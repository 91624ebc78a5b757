"""Weights of trained classifiers as rows of numbers: one row per class, the input of KTM.

This is the only file that knows how the layers of keypoints, parts and boxes store their weights.
"""

import torch
from torch import Tensor


def deconv_to_rows(weight: Tensor) -> Tensor:
    """Flatten a transposed convolution: (C, nodes, k, k) -> (nodes, C k k)."""
    return weight.transpose(0, 1).flatten(1)


def rows_to_deconv(rows: Tensor, kernel_size: int) -> Tensor:
    """Undo `deconv_to_rows`: (nodes, C k k) -> (C, nodes, k, k)."""
    nodes = rows.shape[0]
    return rows.reshape(nodes, -1, kernel_size, kernel_size).transpose(0, 1).contiguous()


def box_to_rows(cls_weight: Tensor, reg_weight: Tensor) -> Tensor:
    """Stack box classifier over box regressor, cut off from their gradients (KTN, TCSVT 2022).

    Args:
        cls_weight: (2, D), rows person, background.
        reg_weight: (4, D), rows dx, dy, dw, dh.

    Returns:
        (6, D), detached: the official code computes it without gradient into the box head.
    """
    return torch.cat([cls_weight.detach(), reg_weight.detach()])


def source_to_rows(source: str, weights: tuple[Tensor, ...]) -> Tensor:
    """Turn the weights of one source into rows (nodes, D).

    Args:
        source: 'keypoint' or 'part': the weight of a transposed convolution (C, nodes, k, k);
            'box': classifier and regressor.
        weights: The tensors of that source.

    Raises:
        ValueError: Unknown source.
    """
    if source in ("keypoint", "part"):
        return deconv_to_rows(*weights)
    if source == "box":
        return box_to_rows(*weights)
    raise ValueError(f"unknown source of knowledge {source!r}: keypoint, part or box")
