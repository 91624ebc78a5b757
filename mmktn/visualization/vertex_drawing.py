"""Pictures of continuous surface embeddings: colours and textures of vertices on the image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmktn.visualization.colormaps import colormap_table

if TYPE_CHECKING:
    from mmktn.structures import VertexResult

ALPHA = 0.7


def vertex_colours(values: NDArray[Any], *, colormap: str = "jet") -> NDArray[np.uint8]:
    """Return the colours of vertices.

    Args:
        values: (K,) one number per vertex, drawn from its smallest to its largest value
            (`ReferenceMesh.colours`), or (K, 3) uint8 RGB, taken as it is.
        colormap: Colour map of numbers.

    Returns:
        (K, 3) uint8 RGB.
    """
    table = np.asarray(values)
    if table.ndim == 2:
        return table.astype(np.uint8)
    low, span = float(table.min()), max(float(np.ptp(table)), 1e-12)
    return colormap_table(colormap)[((table - low) / span * 255).astype(np.uint8)]


def paint_vertices(
    image: NDArray[np.uint8],
    results: Iterable[VertexResult],
    colours: Mapping[str, NDArray[np.uint8]] | Callable[[str], NDArray[np.uint8]],
    *,
    alpha: float = ALPHA,
) -> NDArray[np.uint8]:
    """Paint every pixel of a person or animal in the colour of its vertex.

    Args:
        image: (H, W, 3) uint8 RGB.
        results: N results that know their place, best score first, which is painted last.
        colours: Mesh -> (K, 3) uint8 RGB, or a function of the mesh's name.
        alpha: Share of the colour.

    Returns:
        A new picture.
    """
    picture = image.copy()
    height, width = image.shape[:2]
    for result in list(results)[::-1]:
        x1, y1, x2, y2 = result.box_xyxy
        left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
        if left >= right or top >= bottom:
            continue
        part = (slice(top - y1, bottom - y1), slice(left - x1, right - x1))
        mask = result.mask.cpu().numpy()[part]
        vertices = result.vertices[result.mesh].cpu().numpy()[part][mask]
        table = colours(result.mesh) if callable(colours) else colours[result.mesh]
        under = picture[top:bottom, left:right]
        mixed = (1 - alpha) * under[mask] + alpha * table[vertices]
        under[mask] = mixed.round().astype(np.uint8)
    return picture
