"""Cycle losses: from a shape to another and back, from pixels to a shape and back.

A soft assignment there and back should end where it began; the cost of ending elsewhere is the
distance of the two ends (Neverova et al., Discovering Relationships between Object Categories,
CVPR 2021, section 3; `shape2shape` and `pix2shape` losses of detectron2's DensePose).
"""

import torch
from torch import Tensor


def _there_and_back(one: Tensor, other: Tensor, there: float, back: float) -> Tensor:
    """Return (N, N) share of each of N vectors that ends at each of them, by way of M others."""
    similarity = one @ other.T
    return (similarity / there).softmax(dim=1) @ (similarity.T / back).softmax(dim=1)


def shape_cycle_loss(
    one: Tensor, other: Tensor, geodesics: tuple[Tensor, Tensor], *, temperature: float = 0.05
) -> Tensor:
    """Compute the cost of going from either of two meshes to the other and back.

    Args:
        one: (N, D) unit vectors of vertices.
        other: (M, D) those of the other mesh.
        geodesics: (N, N) and (M, M) distances between these vertices.
        temperature: Of the assignments.

    Returns:
        Sum of the two Frobenius norms of distance times share.
    """
    forth = _there_and_back(one, other, temperature, temperature)
    back = _there_and_back(other, one, temperature, temperature)
    return (geodesics[0] * forth).norm() + (geodesics[1] * back).norm()


def pixel_cycle_loss(
    pixels: Tensor,
    places: Tensor,
    vertices: Tensor,
    *,
    temperatures: tuple[float, float] = (0.05, 0.05),
) -> Tensor:
    """Compute the cost of going from pixels to a mesh and back.

    Args:
        pixels: (N, D) unit vectors of pixels.
        places: (N, 2) their cells.
        vertices: (K, D) unit vectors of the vertices.
        temperatures: Of the assignments to vertices and back.

    Returns:
        Frobenius norm of squared distance in cells times share.
    """
    share = _there_and_back(pixels, vertices, *temperatures)
    squared = (places[:, None] - places[None]).to(pixels.dtype).square().sum(dim=2)
    return torch.linalg.vector_norm(squared * share)
