"""Pictures put side by side: titled rows, legends, and the overview grid of the quick start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from mmktn.formats.iuv_canvas import ChartCanvas
from mmktn.surface.parts import CHART_NAMES, NUM_CHARTS
from mmktn.visualization.colormaps import Preset, chart_colours, colormap_table, render_preset
from mmktn.visualization.drawing import draw_boxes, write_text_on

_WHITE = (255, 255, 255)
_BLACK = (0, 0, 0)
_TITLE_HEIGHT = 22
_GAP = 4


def chart_legend(height: int, *, colormap: str = "sides") -> np.ndarray:
    """Return coloured squares with number and name of the 24 charts: (height, w, 3) RGB on white.

    Args:
        height: Height in pixels. From 312 up there is one column, its letters growing up to 480;
            below, as many as are needed for legible rows, and the names are left out under 160.
        colormap: Colours of the charts.
    """
    row_height = min(max(height // NUM_CHARTS, 13), 20)
    scale = 0.32 * row_height / 13
    rows = max(min(height // row_height, NUM_CHARTS), 1)
    columns = -(-NUM_CHARTS // rows)
    column_width = 34 if height < 160 else round(150 * row_height / 13)
    legend = np.full((height, columns * column_width, 3), 255, np.uint8)
    colours = chart_colours(colormap)
    for chart in range(1, NUM_CHARTS + 1):
        column, row = divmod(chart - 1, rows)
        x, y = column * column_width + 2, row * row_height
        legend[y + 1 : y + row_height - 1, x : x + row_height - 3] = colours[chart]
        text = f"{chart}" if height < 160 else f"{chart} {CHART_NAMES[chart]}"
        write_text_on(
            legend, text, at_xy=(x + row_height, y), colour=_BLACK, background=None, scale=scale
        )
    return legend


def value_legend(height: int, *, colormap: str = "parula") -> np.ndarray:
    """Return a bar from 0 (bottom) to 1 (top): (height, 34, 3) RGB on white."""
    bar = np.full((height, 34, 3), 255, np.uint8)
    values = np.linspace(255, 0, max(height - 4, 1)).round().astype(np.uint8)
    bar[2 : 2 + len(values), 2:12] = colormap_table(colormap)[values][:, None]
    for text, y in (("1", 0), ("U V", height // 2 - 6), ("0", height)):
        write_text_on(bar, text, at_xy=(13, y), colour=_BLACK, background=None, scale=0.32)
    return bar


def panel_row(
    panels: Sequence[np.ndarray], *, titles: Sequence[str] | None = None, gap: int = _GAP
) -> np.ndarray:
    """Stand pictures side by side, tops level, on white, each under its title.

    Args:
        panels: (H, W, 3) RGB pictures, of any sizes; at least one.
        titles: One a panel, or None for no title bar.
        gap: Pixels between neighbours.

    Raises:
        ValueError: No panel, or another number of titles than panels.
    """
    if not panels:
        raise ValueError("panel_row needs at least one panel")
    if titles is not None and len(titles) != len(panels):
        raise ValueError(f"{len(titles)} titles for {len(panels)} panels")
    top = 0 if titles is None else _TITLE_HEIGHT
    height = max(panel.shape[0] for panel in panels) + top
    width = sum(panel.shape[1] for panel in panels) + gap * (len(panels) - 1)
    row = np.full((height, width, 3), 255, np.uint8)
    x = 0
    for index, panel in enumerate(panels):
        row[top : top + panel.shape[0], x : x + panel.shape[1]] = panel
        if titles is not None and titles[index]:
            write_text_on(
                row, titles[index], at_xy=(x, 3), colour=_BLACK, background=None, scale=0.45
            )
        x += panel.shape[1] + gap
    return row


def prediction_panels(
    image: np.ndarray,
    canvas: ChartCanvas,
    *,
    boxes_xyxy: np.ndarray,
    texts: Sequence[str] | None = None,
    preset: str | Preset = "overlay",
) -> list[np.ndarray]:
    """Return the boxes, chart map, U and V of one image: four pictures of the image's size.

    Args:
        image: (H, W, 3) uint8 RGB photo.
        canvas: Painted charts.
        boxes_xyxy: (N, 4) boxes, image pixels.
        texts: One per box, or None.
        preset: Look of the three maps.
    """
    maps = [
        render_preset(canvas, preset, image=image, field=field) for field in ("charts", "u", "v")
    ]
    return [draw_boxes(image, boxes_xyxy, texts=texts), *maps]


def prediction_row(
    panels: Sequence[np.ndarray],
    fields: Mapping[str, np.ndarray],
    *,
    colormap: str,
    legend: bool = True,
) -> np.ndarray:
    """Return the panels of an image side by side under their titles.

    Args:
        panels: What `prediction_panels` gives.
        fields: Further panels by title (`field_panels`).
        colormap: Colours of the charts.
        legend: Append the colours of the charts and of U, V.
    """
    titles = ["boxes", "charts I", "U", "V", *fields]
    row = [*panels, *fields.values()]
    if legend:
        row = with_legend(row, preset_colormap=colormap)
    return panel_row(row, titles=titles + [""] * (len(row) - len(titles)))


def fit(picture: np.ndarray, cell_hw: tuple[int, int]) -> np.ndarray:
    """Resize a picture to fit into a cell, aspect kept, centred on white."""
    height, width = picture.shape[:2]
    scale = min(cell_hw[0] / height, cell_hw[1] / width)
    size_wh = max(round(width * scale), 1), max(round(height * scale), 1)
    flag = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    small = cv2.resize(picture, size_wh, interpolation=flag)
    cell = np.full((*cell_hw, 3), 255, np.uint8)
    y, x = (cell_hw[0] - small.shape[0]) // 2, (cell_hw[1] - small.shape[1]) // 2
    cell[y : y + small.shape[0], x : x + small.shape[1]] = small
    return cell


def make_overview(
    rows: Sequence[Sequence[np.ndarray]],
    *,
    titles: Sequence[str] | None = None,
    row_titles: Sequence[str] | None = None,
    cell_hw: tuple[int, int] | None = None,
    gap: int = _GAP,
) -> np.ndarray:
    """Lay pictures out in a grid of equal cells on white.

    Args:
        rows: Rows of (H, W, 3) RGB pictures of any size; short rows end in white cells.
        titles: Column titles above the first row.
        row_titles: A line of text in the first cell of each row.
        cell_hw: Size of a cell; pictures are fitted into it with their aspect kept. None: 256 high
            and as wide as the widest picture needs.
        gap: Pixels between cells.

    Raises:
        ValueError: No rows, or no pictures in them, or titles that do not match in number.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise ValueError("make_overview needs at least one picture")
    if row_titles is not None and len(row_titles) != len(rows):
        raise ValueError(f"{len(row_titles)} row titles for {len(rows)} rows")
    if cell_hw is None:
        aspect = max(picture.shape[1] / picture.shape[0] for row in rows for picture in row)
        cell_hw = (256, round(256 * aspect))
    blank = np.full((*cell_hw, 3), 255, np.uint8)
    lines = []
    for index, row in enumerate(rows):
        cells = [fit(picture, cell_hw) for picture in row] + [blank] * (columns - len(row))
        if row_titles is not None:
            write_text_on(cells[0], row_titles[index], at_xy=(0, 0))
        lines.append(panel_row(cells, titles=titles if index == 0 else None, gap=gap))
        lines.append(np.full((gap, lines[-1].shape[1], 3), 255, np.uint8))
    return np.concatenate(lines[:-1], axis=0)


def with_legend(panels: Sequence[np.ndarray], *, preset_colormap: str) -> list[np.ndarray]:
    """Append the legends of charts and of U, V to the panels of an image."""
    height = panels[0].shape[0]
    uv_map = "parula" if preset_colormap == "sides" else preset_colormap
    return [
        *panels,
        value_legend(height, colormap=uv_map),
        chart_legend(height, colormap=preset_colormap),
    ]
