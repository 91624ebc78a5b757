"""The atlas of 24 charts as a single texture of the mesh (SMPL's layout), and back.

The layout is the user's: an OBJ file with texture coordinates whose triangles are those of a mesh
that has charts. Which texel shows which place of the body is found once by rasterising the layout;
after that a conversion is one look-up of all texels. The nearest texel is taken, by the rule of
`texel_of` in the atlas and `int(u * N)` in the single texture.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from mmktn.formats.mesh_files import read_obj_layout
from mmktn.surface.atlas import ChartAtlas
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.rasterize import RasterResult, rasterize
from mmktn.utils.user_error import UserError
from mmktn.visualization.texture import ATLAS_COLUMNS, ATLAS_ROWS, texel_of

_MAX_SIDE = 8192
_BESIDE = 1e-3  # rounding of files


def split_atlas(atlas: np.ndarray) -> np.ndarray:
    """Return the tiles (24, S, S, 3) of an atlas (6 S, 4 S, 3); entry k is chart k + 1.

    Raises:
        ValueError: The atlas is not 6 x 4 squares.
    """
    tile = _tile_of(atlas)
    rows = atlas.reshape(ATLAS_ROWS, tile, ATLAS_COLUMNS, tile, -1)
    return rows.transpose(2, 0, 1, 3, 4).reshape(-1, tile, tile, atlas.shape[2])


def join_atlas(tiles: np.ndarray) -> np.ndarray:
    """Return the atlas (6 S, 4 S, 3) of tiles (24, S, S, 3); undoes `split_atlas`.

    Raises:
        ValueError: Other tiles than 24 squares.
    """
    count, side = ATLAS_ROWS * ATLAS_COLUMNS, tiles.shape[1] if tiles.ndim == 4 else 0
    if tiles.shape[:-1] != (count, side, side):
        raise ValueError(f"tiles are {tiles.shape}; expected (24, S, S, 3)")
    grid = tiles.reshape(ATLAS_COLUMNS, ATLAS_ROWS, side, side, -1).transpose(1, 2, 0, 3, 4)
    return grid.reshape(ATLAS_ROWS * side, ATLAS_COLUMNS * side, -1)


class TextureLayout:
    """Two layouts of one mesh: its charts, and a single texture.

    Args:
        atlas: Charts of the mesh.
        faces: (F, 3) triangles of the layout, in mesh vertices; each is one of the atlas.
        uv: (F, 3, 2) u (right) and v (up) of their corners in [0, 1].

    Raises:
        UserError: A triangle that the atlas does not have, or u, v beyond [0, 1].
    """

    def __init__(
        self, atlas: ChartAtlas, faces: NDArray[np.int64], uv: NDArray[np.float64]
    ) -> None:
        own, wanted = np.sort(atlas.mesh_faces, axis=1), np.sort(faces, axis=1)
        both, number = np.unique(np.concatenate([own, wanted]), axis=0, return_inverse=True)
        place = np.full(len(both), -1)
        place[number.reshape(-1)[: len(own)]] = np.arange(len(own))
        match = place[number.reshape(-1)[len(own) :]]
        if (match < 0).any():
            raise UserError(
                f"triangle {faces[match < 0][0].tolist()} of the texture layout is none of the "
                f"mesh with charts; {int((match < 0).sum())} of {len(faces)} are not"
            )
        if uv.min() < -_BESIDE or uv.max() > 1 + _BESIDE:
            raise UserError(f"texture coordinates of {uv.min():g} to {uv.max():g}; need 0 to 1")
        # Corners of both in the order of the vertex ids, so that they are the same corners.
        mine = np.argsort(atlas.mesh_faces[match], axis=1)[..., None]
        theirs = np.argsort(faces, axis=1)[..., None]
        self.charts = atlas.face_charts[match]
        self.chart_uv = np.take_along_axis(atlas.uv[atlas.faces[match]], mine, axis=1)
        self.single_uv = np.take_along_axis(np.asarray(uv, dtype=np.float64), theirs, axis=1)
        self._seen_in_single = lru_cache(maxsize=4)(self._raster_of_single)
        self._seen_in_atlas = lru_cache(maxsize=4)(self._raster_of_atlas)

    @classmethod
    def read(cls, path: str | Path, surface: BodySurface) -> TextureLayout:
        """Open the user's layout.

        Args:
            path: .obj with texture coordinates, for SMPL the one with 6890 vertices.
            surface: A surface whose mesh it is of, or, for SMPL, the official folder with
                UV_Processed.mat.

        Returns:
            The layout.

        Raises:
            FileNotFoundError: There is no such file.
            UserError: It cannot be read, or is of another mesh.
        """
        faces, uv = read_obj_layout(path)
        atlas, base = surface.atlas, surface.base_atlas
        if base is not None and faces.max() <= base.mesh_vertex.max():
            atlas = base
        try:
            return cls(atlas, faces, uv)
        except UserError as error:
            raise UserError(f"{path}: {error} ({surface.name!r})") from error

    def to_single(self, atlas: np.ndarray, *, size: int = 512, margin: float = 2) -> np.ndarray:
        """Return one texture of the whole mesh from an atlas.

        Args:
            atlas: (6 S, 4 S, C) colours, or a mask of one channel.
            size: Side N of the result.
            margin: Texels beyond the triangles, up to this far, take the nearest colour, so that
                renderers that smooth show no dark seams.

        Returns:
            (N, N, C) of the atlas's type, 0 where there is nothing.

        Raises:
            ValueError: The atlas is not 6 x 4 squares, or N is not 1 to 8192.
        """
        tile = _tile_of(atlas)
        raster = self._seen_in_single(_side(size))
        uv = np.clip(raster.interpolate(self.chart_uv, raster.hit), 0, 1)
        rows, columns = texel_of(self.charts[raster.face_ids[raster.hit]], uv.T, tile=tile)
        return _spread(atlas[rows, columns], raster.hit, margin)

    def to_atlas(self, single: np.ndarray, *, tile: int = 200, margin: float = 2) -> np.ndarray:
        """Return an atlas from one texture of the whole mesh.

        Args:
            single: (N, N, C).
            tile: Side S of a chart's square.
            margin: As in `to_single`.

        Returns:
            (6 S, 4 S, C) of the texture's type, 0 where there is nothing.

        Raises:
            ValueError: The texture is no square, or S is not 2 to 8192.
        """
        if single.ndim != 3 or single.shape[0] != single.shape[1]:
            raise ValueError(f"texture is {single.shape}; expected (N, N, C)")
        raster = self._seen_in_atlas(_side(tile, least=2))
        uv = np.clip(raster.interpolate(self.single_uv, raster.hit), 0, 1)
        last = len(single) - 1
        columns = np.minimum((uv[:, 0] * len(single)).astype(np.int64), last)
        rows = np.minimum(((1 - uv[:, 1]) * len(single)).astype(np.int64), last)
        filled = _spread(single[rows, columns], raster.hit, 0)
        tiles, inside = split_atlas(filled), split_atlas(raster.hit[..., None])[..., 0]
        # Square by square, so that no colour crosses into the next chart.
        spread = [_spread(t[i], i, margin) for t, i in zip(tiles, inside, strict=True)]
        return join_atlas(np.stack(spread))

    def _raster_of_single(self, size: int) -> RasterResult:
        x, y = self.single_uv[..., 0] * size, (1 - self.single_uv[..., 1]) * size
        return _flat(x, y, size, size)

    def _raster_of_atlas(self, tile: int) -> RasterResult:
        column, row = np.divmod(self.charts - 1, ATLAS_ROWS)
        x = column[:, None] * tile + self.chart_uv[..., 0] * (tile - 1)
        y = row[:, None] * tile + (1 - self.chart_uv[..., 1]) * (tile - 1)
        return _flat(x, y, ATLAS_ROWS * tile, ATLAS_COLUMNS * tile)


def _flat(x: NDArray[np.float64], y: NDArray[np.float64], height: int, width: int) -> RasterResult:
    """Triangles in the plane, given by their corners (F, 3), each with vertices of its own."""
    points = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)
    faces = np.arange(len(points)).reshape(-1, 3)
    return rasterize(points, faces, height=height, width=width, cull_back=False)


def _spread(colours: np.ndarray, inside: NDArray[np.bool_], margin: float) -> np.ndarray:
    """Draw colours (P, C) at the texels of a mask, and spread them beyond it up to a distance."""
    image = np.zeros((*inside.shape, colours.shape[1]), dtype=colours.dtype)
    image[inside] = colours
    if margin <= 0 or inside.all() or not inside.any():
        return image
    distance, nearest = distance_transform_edt(~inside, return_indices=True)
    return np.where((distance <= margin)[..., None], image[nearest[0], nearest[1]], image)


def _side(size: int, *, least: int = 1) -> int:
    if not least <= size <= _MAX_SIDE:
        raise ValueError(f"side of a texture: {size}; need {least} to {_MAX_SIDE}")
    return size


def _tile_of(atlas: np.ndarray) -> int:
    tile = atlas.shape[0] // ATLAS_ROWS
    if atlas.ndim != 3 or atlas.shape[:2] != (ATLAS_ROWS * tile, ATLAS_COLUMNS * tile) or not tile:
        raise ValueError(f"atlas is {atlas.shape}; expected (6 S, 4 S, C)")
    return tile
