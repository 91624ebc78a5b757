"""Draw the 24 charts: on the body from front and back with numbers, and flat in the (U, V) square.

    python tools/surface/draw_charts.py --out docs/assets

Writes charts.png and charts_uv.png. Works for any surface with a mesh (--surface).
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from rich.console import Console

from mmktn.surface import BodySurface, load_surface
from mmktn.surface.parts import CHART_NAMES, NUM_CHARTS
from mmktn.surface.rasterize import RasterResult, rasterize
from mmktn.utils.output_files import (
    OVERWRITE_HELP,
    claim_folder,
    claim_outputs,
    replace_atomically,
)
from mmktn.utils.user_error import UserError, one_line_errors

# hue of each limb; left is darker than right, a back half is more muted than a front half
_HUES = {"torso": 208, "hand": 48, "foot": 20, "upper leg": 130, "lower leg": 165, "upper arm": 275}
_HUES |= {"lower arm": 325, "head": 0}
_INK = (45, 40, 40)
_SAMPLES = 3


def chart_colours() -> np.ndarray:
    """(25, 3) RGB, row 0 white."""
    colours = np.full((NUM_CHARTS + 1, 3), 255.0)
    for chart in range(1, NUM_CHARTS + 1):
        name = CHART_NAMES[chart]
        limb = next(key for key in _HUES if key in name)
        value = 0.92 - 0.14 * name.startswith("left")
        saturation = 0.60 - 0.24 * name.endswith("back")
        sector = _HUES[limb] / 60
        ramp = np.abs(np.mod(sector + np.array([0, 4, 2]), 6) - 3) - 1
        colours[chart] = 255 * value * (1 - saturation + saturation * np.clip(ramp, 0, 1))
    return colours


def view(surface: BodySurface, *, back: bool, height: int) -> tuple[np.ndarray, RasterResult]:
    """Shaded picture of one side.

    Args:
        surface: Surface with a mesh.
        back: Look at the back instead of the front.
        height: Picture height in pixels.

    Returns:
        (H, W, 3) RGB float and the raster it was made from.
    """
    mesh = surface.require("mesh").mesh
    turn = np.array([-1.0, 1.0, -1.0]) if back else np.ones(3)
    points, normals = mesh.vertices * turn, mesh.vertex_normals * turn
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 0.95 * height / (high[1] - low[1])
    width = int((high[0] - low[0]) * scale + 0.05 * height)
    screen = np.stack(
        [
            width / 2 + points[:, 0] * scale,
            height / 2 - (points[:, 1] - 0.5 * (low[1] + high[1])) * scale,
            1000.0 - points[:, 2],
        ],
        axis=1,
    )
    raster = rasterize(screen, mesh.faces, height=height, width=width)
    hit = raster.hit
    normal = raster.interpolate(normals[mesh.faces], hit)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    key, fill = (np.array(d) / np.linalg.norm(d) for d in ((0.35, 0.55, 0.75), (-0.8, 0.1, 0.4)))
    light = 0.42 + 0.58 * np.clip(normal @ key, 0, 1) + 0.14 * np.clip(normal @ fill, 0, 1)
    picture = np.full((height, width, 3), 255.0)
    charts = surface.atlas.face_charts[raster.face_ids[hit]]
    picture[hit] = chart_colours()[charts] * np.minimum(light, 1.08)[:, None]
    _draw_lines(surface, raster, picture)
    return np.clip(picture, 0, 255), raster


def _draw_lines(surface: BodySurface, raster: RasterResult, picture: np.ndarray) -> None:
    """Darken chart borders and, less, the lines of equal U and V."""
    hit = raster.hit
    atlas = surface.atlas
    charts = np.zeros(hit.shape, dtype=np.int64)
    charts[hit] = atlas.face_charts[raster.face_ids[hit]]
    cells = np.zeros((*hit.shape, 2))
    cells[hit] = np.floor(8 * raster.interpolate(atlas.uv[atlas.faces], hit))
    border, grid = np.zeros_like(hit), np.zeros_like(hit)
    for axis in (0, 1):
        here, there = charts, np.roll(charts, 1, axis)
        border |= here != there
        grid |= (np.abs(cells - np.roll(cells, 1, axis)) > 0).any(axis=-1) & (here == there) & hit
    near = cv2.dilate(border.astype(np.uint8), np.ones((3, 3))) > 0
    picture[grid] *= 0.86
    picture[near & hit] *= 0.35


def label_places(raster: RasterResult, face_charts: np.ndarray) -> dict[int, tuple[int, int]]:
    """Pixel (x, y) deepest inside each chart that shows enough of itself."""
    charts = np.where(raster.hit, face_charts[np.maximum(raster.face_ids, 0)], 0)
    places = {}
    for chart in range(1, NUM_CHARTS + 1):
        mask = np.pad(charts == chart, 1).astype(np.uint8)
        depth = cv2.distanceTransform(mask, cv2.DIST_L2, 5)[1:-1, 1:-1]
        if depth.max() > 0.008 * raster.hit.shape[0]:
            # the highest of the places that are deep enough: the forehead rather than the eyes
            rows, columns = np.nonzero(depth > 0.72 * depth.max())
            y = rows.min()
            x = np.median(columns[rows < y + depth.max() / 4])
            places[chart] = (int(x), int(y))
    return places


def write_text(picture: np.ndarray, text: str, place: tuple[int, int], size: float) -> None:
    """Centred text with a light rim."""
    face, weight = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(2.2 * size))
    (width, height), _ = cv2.getTextSize(text, face, size, weight)
    corner = (place[0] - width // 2, place[1] + height // 2)
    cv2.putText(picture, text, corner, face, size, (255, 255, 255), 3 * weight, cv2.LINE_AA)
    cv2.putText(picture, text, corner, face, size, _INK, weight, cv2.LINE_AA)


def draw_body(surface: BodySurface, height: int) -> np.ndarray:
    """Front and back side by side, (H, W, 3) uint8."""
    panels = []
    for back in (False, True):
        fine, raster = view(surface, back=back, height=height * _SAMPLES)
        shape = (fine.shape[1] // _SAMPLES, height)
        panel = cv2.resize(fine, shape, interpolation=cv2.INTER_AREA).round().astype(np.uint8)
        panel = np.ascontiguousarray(panel)
        for chart, (x, y) in label_places(raster, surface.atlas.face_charts).items():
            write_text(panel, str(chart), (x // _SAMPLES, y // _SAMPLES), height / 1750)
        title = "back" if back else "front"
        write_text(panel, title, (shape[0] // 2 - height // 6, height // 24), height / 1400)
        panels.append(panel)
    return np.concatenate(panels, axis=1)


def draw_layout(surface: BodySurface, size: int) -> np.ndarray:
    """All charts flat, 8 columns, (H, W, 3) uint8."""
    atlas, colours, gap = surface.atlas, chart_colours(), size // 7
    rows = []
    for first in range(1, NUM_CHARTS + 1, 8):
        row = []
        for chart in range(first, first + 8):
            corners = atlas.uv[atlas.faces[atlas.face_charts == chart]] * [1, -1] + [0, 1]
            tile = _layout_tile(corners, colours[chart], size, gap)
            write_text(tile, f"{chart}", (gap, gap // 3), size / 320)
            row.append(tile)
        rows.append(np.concatenate(row, axis=1))
    return np.concatenate(rows, axis=0)


def _layout_tile(corners: np.ndarray, colour: np.ndarray, size: int, gap: int) -> np.ndarray:
    """One chart with its triangles; corners (F, 3, 2) in [0, 1], y down."""
    fine = np.full(((size + gap) * _SAMPLES, (size + gap) * _SAMPLES, 3), 255, dtype=np.uint8)
    left, top = gap / 2 * _SAMPLES, 3 * gap / 4 * _SAMPLES
    pixels = np.rint((corners * size * _SAMPLES + [left, top]) * 16).astype(np.int32)
    for triangle in pixels:
        cv2.fillConvexPoly(fine, triangle, colour.tolist(), cv2.LINE_AA, 4)
    cv2.polylines(fine, list(pixels), True, (colour * 0.75).tolist(), 1, cv2.LINE_AA, 4)
    start, end = (int(left), int(top)), (int(left + size * _SAMPLES), int(top + size * _SAMPLES))
    cv2.rectangle(fine, start, end, (170, 170, 170), _SAMPLES)
    return cv2.resize(fine, None, fx=1 / _SAMPLES, fy=1 / _SAMPLES, interpolation=cv2.INTER_AREA)


def save_small(picture: np.ndarray, path: Path, *, colours: int) -> None:
    """Save as PNG with a palette."""
    palette = Image.fromarray(picture).quantize(colours, method=Image.Quantize.MEDIANCUT, kmeans=3)
    with replace_atomically(path) as handle:
        palette.save(handle, format="png", optimize=True)


@one_line_errors("draw_charts")
def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--surface", default="human", help="as load_surface takes it")
    parser.add_argument("--out", type=Path, default=Path("docs/assets"), help="folder")
    parser.add_argument("--height", type=int, default=900, help="height of charts.png")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    arguments = parser.parse_args(argv)
    if arguments.height < 60:
        raise UserError(f"--height {arguments.height}: the pictures need 60 pixels or more")
    claim_outputs(
        [claim_folder(arguments.out) / name for name in ("charts.png", "charts_uv.png")],
        inputs=[arguments.surface],
        overwrite=arguments.overwrite,
    )
    surface = load_surface(arguments.surface)
    console = Console()
    for name, picture, colours in (
        ("charts.png", draw_body(surface, arguments.height), 256),
        ("charts_uv.png", draw_layout(surface, arguments.height // 6), 96),
    ):
        save_small(picture, arguments.out / name, colours=colours)
        size = (arguments.out / name).stat().st_size
        console.print(f"wrote {arguments.out / name}, {size / 1000:.0f} kB", markup=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
