"""A sheet that shows generated images beside their labels, to be looked at."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.points import GRID
from mmktn.surface.parts import NUM_CHARTS
from mmktn.synthetic.annotate import DenseTruth
from mmktn.synthetic.sample import COCO_SKELETON, Sample

_TITLES = ("image", "charts", "U", "V", "points", "keypoints")
_LEFT, _RIGHT, _MIDDLE = (255, 80, 60), (70, 230, 90), (255, 255, 255)
_BONES = [(a - 1, b - 1) for a, b in COCO_SKELETON]
_TITLE_ROWS = 22
_GAP = 4


def overview_sheet(samples: list[Sample], *, scale: float = 1.0) -> NDArray[np.uint8]:
    """Draw one row per sample: picture, charts, U, V, annotated points, keypoints.

    Args:
        samples: samples with records in "coco" format, all of one size.
        scale: of the panels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    rows = []
    for sample in samples:
        maps = sample.labels.maps
        panels = [
            sample.picture,
            _colored(maps.chart * (255.0 / NUM_CHARTS), maps, cv2.COLORMAP_PARULA),
            _colored(maps.uv()[0] * 255, maps, cv2.COLORMAP_VIRIDIS),
            _colored(maps.uv()[1] * 255, maps, cv2.COLORMAP_VIRIDIS),
        ]
        height, width = (round(n * scale) for n in sample.picture.shape[:2])
        panels = [
            np.asarray(cv2.resize(panel, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            for panel in panels
        ]
        panels.append(_with_points(sample, panels[0], scale))
        panels.append(_with_keypoints(sample, panels[0], scale))
        gap = np.full((height, _GAP, 3), 255, np.uint8)
        rows.append(np.concatenate([part for p in panels for part in (p, gap)][:-1], axis=1))
    gap = np.full((_GAP, rows[0].shape[1], 3), 255, np.uint8)
    sheet = np.concatenate([part for row in rows for part in (row, gap)][:-1])
    return np.concatenate([_title_row(sheet.shape[1]), sheet])


def contact_sheet(samples: list[Sample], *, columns: int = 8) -> NDArray[np.uint8]:
    """Return the pictures alone, side by side.

    Args:
        samples: of one size; the last row is filled up with white.
        columns: pictures per row.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = samples[0].picture.shape[:2]
    rows = -(-len(samples) // columns)
    sheet = np.full((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3), 255)
    for k, sample in enumerate(samples):
        top, left = k // columns * (height + _GAP), k % columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = sample.picture
    return sheet.astype(np.uint8)


def _colored(values: NDArray[np.floating], maps: DenseTruth, palette: int) -> NDArray[np.uint8]:
    """Return the colour-mapped labels on a dark ground."""
    colors = cv2.applyColorMap(values.astype(np.uint8), palette)
    picture = np.array(colors[..., ::-1], np.uint8)
    picture[maps.instance == 0] = 24
    return picture


def _with_points(sample: Sample, picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Return the faded picture with boxes and the dp points in chart colours."""
    canvas = (picture * 0.4).astype(np.uint8)
    palette = cv2.applyColorMap(
        (np.arange(NUM_CHARTS + 1) * (255.0 / NUM_CHARTS)).astype(np.uint8), cv2.COLORMAP_PARULA
    )[:, 0, ::-1]
    for record in sample.records["coco"][1]:
        x, y, w, h = record["bbox"]
        corners = [(int(cx * scale), int(cy * scale)) for cx, cy in ((x, y), (x + w, y + h))]
        cv2.rectangle(canvas, corners[0], corners[1], (200, 200, 200), 1)
        columns = (record.get(name, []) for name in ("dp_x", "dp_y", "dp_I"))
        for px, py, chart in zip(*columns, strict=True):
            centre = int((x + px * w / GRID) * scale), int((y + py * h / GRID) * scale)
            cv2.circle(canvas, centre, 1, palette[int(chart)].tolist(), -1, cv2.LINE_AA)
    return canvas


def _with_keypoints(sample: Sample, picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Faded picture with keypoints: dots are visible, rings hidden; left is red, right green."""
    canvas = (picture * 0.4).astype(np.uint8)
    for record in sample.records["coco"][1]:
        points = np.reshape(record["keypoints"], (-1, 3))
        places = [(int((x + 0.5) * scale), int((y + 0.5) * scale)) for x, y, _ in points]
        for first, second in _BONES:
            if points[first, 2] and points[second, 2]:
                cv2.line(canvas, places[first], places[second], (150, 150, 150), 1, cv2.LINE_AA)
        for k, place in enumerate(places):
            if points[k, 2]:
                color = _MIDDLE if k == 0 else (_LEFT if k % 2 else _RIGHT)
                thickness = -1 if points[k, 2] == 2 else 1
                cv2.circle(canvas, place, 2, color, thickness, cv2.LINE_AA)
    return canvas


def _title_row(width: int) -> NDArray[np.uint8]:
    row = np.full((_TITLE_ROWS, width, 3), 255, np.uint8)
    panel = (width + _GAP) / len(_TITLES)
    for k, title in enumerate(_TITLES):
        place = (int(k * panel) + 4, 15)
        cv2.putText(row, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (20, 20, 20), 1, cv2.LINE_AA)
    return row
