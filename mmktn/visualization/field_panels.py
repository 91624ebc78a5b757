"""Pictures of decoded maps beside charts, U and V: one per field of `ChartResult.fields`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmktn.formats.chart_arrays import CONFIDENCE_FIELDS, ChartArrays
from mmktn.formats.iuv_canvas import ChartCanvas
from mmktn.visualization.colormaps import colormap_table

if TYPE_CHECKING:
    from mmktn.structures import ChartResult, DenseMap


def field_panels(
    image: np.ndarray, canvas: ChartCanvas, results: Sequence[ChartResult | ChartArrays]
) -> dict[str, np.ndarray]:
    """Draw every field on the photo, each pixel from the person whose chart is seen there.

    Args:
        image: (H, W, 3) uint8 RGB.
        canvas: Painted charts of the same people; says who is on top.
        results: N results that know their place.

    Returns:
        Name of a field -> (H, W, 3) uint8 RGB.
    """
    names = dict.fromkeys(name for result in results for name in result.fields)
    hidden = {kind.field for kind in _declared() if not kind.panel}
    return {name: field_panel(image, canvas, results, name) for name in names if name not in hidden}


def field_panel(
    image: np.ndarray, canvas: ChartCanvas, results: Sequence[ChartResult | ChartArrays], name: str
) -> np.ndarray:
    """Draw one field, the photo in grey behind it; arguments as in `field_panels`."""
    picture = np.repeat(image.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    height, width = canvas.image_hw
    arrays = [result.arrays() for result in results]
    values = [result.fields.get(name) for result in arrays]
    shown = [v for v in values if v is not None and v.size]
    limits = (min(v.min() for v in shown), max(v.max() for v in shown)) if shown else (0.0, 1.0)
    if name in CONFIDENCE_FIELDS:
        limits = (0.0, 1.0)
    for person, (result, field) in enumerate(zip(arrays, values, strict=True), start=1):
        if field is None:
            continue
        x1, y1, x2, y2 = result.box_xyxy
        left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
        if left >= right or top >= bottom:
            continue
        drawn = _drawn(name, field, limits)[top - y1 : bottom - y1, left - x1 : right - x1]
        here = canvas.instances[top:bottom, left:right] == person
        picture[top:bottom, left:right][here] = drawn[here]
    return picture


def _drawn(name: str, values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return colours (h, w, 3) of one person's field: as its map declares, else false colours."""
    kind = next((kind for kind in _declared() if kind.field == name), None)
    drawn = None if kind is None else kind.draw(values)
    if drawn is not None:
        return drawn
    low, high = limits
    first = values if values.ndim == 2 else values[0]
    share = (first - low) / ((high - low) or 1.0)
    # Confidences as heat: black is unsure, light is sure.
    table = colormap_table("inferno" if name in CONFIDENCE_FIELDS else "parula")
    return table[(share * 255).clip(0, 255).astype(np.uint8)]


def _declared() -> list[DenseMap]:
    """Maps of the package and of the user; without torch none, and fields get false colours."""
    try:
        from mmktn.structures.map_table import declared_map, declared_names
    except ImportError:
        return []
    return [declared_map(name) for name in declared_names()]
