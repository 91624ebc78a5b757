"""Unwrap a person into a texture atlas and dress a person in one.

The atlas is DensePose's: 6 rows x 4 columns of square tiles, filled column by column (chart 1 top
left, chart 6 bottom left, chart 7 at the top of the second column); in a tile U runs right, V up.
The texel of (u, v) is column `int(u * (S - 1))`, row `int((1 - v) * (S - 1))` of its S x S tile,
the rule of the official texture-transfer notebook; unwrapping and applying share it, so a picture
that is constant over each texel comes back exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from mmktn.surface.parts import NUM_CHARTS

ATLAS_ROWS, ATLAS_COLUMNS = 6, 4


@dataclass(frozen=True)
class Texture:
    """Colours of the body surface.

    Attributes:
        atlas: (6 S, 4 S, 3) uint8 RGB.
        seen: (6 S, 4 S) bool: texels that pixels of the photo fell into.
    """

    atlas: np.ndarray
    seen: np.ndarray

    @property
    def tile(self) -> int:
        """Side S of a chart's square."""
        return self.atlas.shape[0] // ATLAS_ROWS


def texel_of(labels: np.ndarray, uv: np.ndarray, *, tile: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the atlas row and column of surface points.

    Args:
        labels: (P,) charts 1..24.
        uv: (2, P) in [0, 1].
        tile: Side S of a chart's square in texels.

    Returns:
        Rows and columns, each (P,) int64.

    Raises:
        ValueError: A chart outside 1..24.
    """
    chart = np.asarray(labels, dtype=np.int64)
    if chart.size and (chart.min() < 1 or chart.max() > NUM_CHARTS):
        raise ValueError(
            f"charts {chart.min()}..{chart.max()} in a texture; expected 1..{NUM_CHARTS}"
        )
    tile_column, tile_row = np.divmod(chart - 1, ATLAS_ROWS)
    # double precision: float32 turns 254.99999 into 255 and moves texels.
    coordinates = np.clip(np.asarray(uv, dtype=np.float64), 0.0, 1.0)
    column = (coordinates[0] * (tile - 1)).astype(np.int64)
    row = ((1.0 - coordinates[1]) * (tile - 1)).astype(np.int64)
    return tile_row * tile + row, tile_column * tile + column


def unwrap_texture(
    image: np.ndarray,
    labels: np.ndarray,
    uv: np.ndarray,
    *,
    tile: int = 200,
    fill_distance: float = 0.0,
) -> Texture:
    """Lift the pixels of one person onto the atlas; pixels that share a texel are averaged.

    Args:
        image: (H, W, 3) uint8 RGB: the photo, or the crop of the result's box.
        labels: (H, W) charts, 0 = background; a `ChartResult`'s labels, or a canvas's.
        uv: (2, H, W) floats in [0, 1].
        tile: Side of a chart's square in texels.
        fill_distance: Unseen texels up to this far (in texels) from a seen one of the same chart
            take the colour of the nearest; 0 leaves them black.

    Raises:
        ValueError: Sizes that differ.
    """
    if image.shape[:2] != labels.shape or uv.shape != (2, *labels.shape):
        raise ValueError(
            f"image {image.shape}, labels {labels.shape} and uv {uv.shape} differ in size"
        )
    person = labels > 0
    rows, columns = texel_of(labels[person], uv[:, person], tile=tile)
    shape = (ATLAS_ROWS * tile, ATLAS_COLUMNS * tile)
    flat = rows * shape[1] + columns
    count = np.bincount(flat, minlength=shape[0] * shape[1])
    pixels = image[person].astype(np.float64)
    sums = [np.bincount(flat, weights=pixels[:, c], minlength=len(count)) for c in range(3)]
    mean = np.stack(sums, axis=-1) / np.maximum(count, 1)[:, None]
    atlas = np.round(mean).astype(np.uint8).reshape(*shape, 3)
    seen = (count > 0).reshape(shape)
    if fill_distance > 0:
        atlas = _fill_tiles(atlas, seen, tile, fill_distance)
    return Texture(atlas, seen)


def apply_texture(
    texture: Texture | np.ndarray,
    labels: np.ndarray,
    uv: np.ndarray,
    *,
    image: np.ndarray | None = None,
    alpha: float = 1.0,
) -> np.ndarray:
    """Colour a person from an atlas.

    Args:
        texture: A `Texture` or its (6 S, 4 S, 3) atlas.
        labels: (H, W) charts, 0 = background.
        uv: (2, H, W) floats in [0, 1].
        image: (H, W, 3) uint8 RGB background; None for black.
        alpha: Share of the texture in a pixel.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: An atlas that is not 6 x 4 squares, or sizes that differ.
    """
    atlas = texture.atlas if isinstance(texture, Texture) else texture
    tile = atlas.shape[0] // ATLAS_ROWS
    if atlas.ndim != 3 or atlas.shape != (ATLAS_ROWS * tile, ATLAS_COLUMNS * tile, 3) or tile < 1:
        raise ValueError(f"atlas is {atlas.shape}; expected (6 S, 4 S, 3)")
    dressed = np.zeros((*labels.shape, 3), np.uint8) if image is None else image.copy()
    if dressed.shape[:2] != labels.shape or uv.shape != (2, *labels.shape):
        raise ValueError(
            f"image {dressed.shape}, labels {labels.shape}, uv {uv.shape} differ in size"
        )
    person = labels > 0
    rows, columns = texel_of(labels[person], uv[:, person], tile=tile)
    colours = atlas[rows, columns].astype(np.float64)
    dressed[person] = np.round(colours * alpha + dressed[person] * (1.0 - alpha)).astype(np.uint8)
    return dressed


def _fill_tiles(atlas: np.ndarray, seen: np.ndarray, tile: int, limit: float) -> np.ndarray:
    """Spread seen colours inside each chart's square up to `limit` texels."""
    filled = atlas.copy()
    for row in range(ATLAS_ROWS):
        for column in range(ATLAS_COLUMNS):
            square = (
                slice(row * tile, (row + 1) * tile),
                slice(column * tile, (column + 1) * tile),
            )
            if not seen[square].any():
                continue
            distance, nearest = distance_transform_edt(~seen[square], return_indices=True)
            spread = atlas[square][nearest[0], nearest[1]]
            filled[square] = np.where((distance <= limit)[..., None], spread, 0)
    return filled
