"""Pictures of dense-pose ground truth: boxes, keypoints, coarse parts, points by chart, U and V.

Everything is (H, W, 3) uint8 RGB and in image pixels (docs/conventions.md, frame 1).
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations
from mmktn.structures.box_grid import box_relative_to_image
from mmktn.surface.parts import COARSE_TO_CHARTS
from mmktn.visualization.colormaps import chart_colours, colormap_table
from mmktn.visualization.drawing import draw_boxes, mark_scale
from mmktn.visualization.panels import chart_legend, panel_row, value_legend

SKELETON = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
    (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip
"""Limbs between COCO keypoints, ids from 0."""

_LEFT, _RIGHT, _MIDDLE = (80, 160, 255), (255, 140, 60), (240, 240, 240)


def coarse_colours() -> np.ndarray:
    """Return (15, 3) uint8 RGB of the coarse parts: each has the colour of its last chart."""
    charts = [0] + [COARSE_TO_CHARTS[part][-1] for part in range(1, 15)]
    return chart_colours("sides")[charts]


def draw_coarse_map(
    image: np.ndarray, coarse_map: np.ndarray, box_xyxy: np.ndarray, *, alpha: float = 0.65
) -> np.ndarray:
    """Lay a coarse part map over its box; each pixel shows the cell under its centre.

    Args:
        image: Picture.
        coarse_map: (G, G) part ids 0..14 over the box.
        box_xyxy: (4,) box.
        alpha: Share of the part's colour.
    """
    drawn = image.copy()
    cells = coarse_map.shape[0]
    x0, y0, x1, y1 = (float(value) for value in box_xyxy)
    columns = (np.arange(image.shape[1]) + 0.5 - x0) * cells / (x1 - x0)
    rows = (np.arange(image.shape[0]) + 0.5 - y0) * cells / (y1 - y0)
    inside_x = np.flatnonzero((columns >= 0) & (columns < cells))
    inside_y = np.flatnonzero((rows >= 0) & (rows < cells))
    if not len(inside_x) or not len(inside_y):
        return drawn
    cell_ids = np.ix_(rows[inside_y].astype(np.int64), columns[inside_x].astype(np.int64))
    parts = coarse_map[cell_ids]
    window = drawn[np.ix_(inside_y, inside_x)]
    mixed = (1 - alpha) * window + alpha * coarse_colours()[parts]
    window = np.where((parts > 0)[..., None], mixed, window).astype(np.uint8)
    drawn[np.ix_(inside_y, inside_x)] = window
    return drawn


def draw_points(image: np.ndarray, points_xy: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Draw discs with a dark rim at points.

    Args:
        image: Picture.
        points_xy: (P, 2) image pixels.
        colours: (P, 3) uint8 RGB.
    """
    drawn = image.copy()
    radius = max(round(3 * mark_scale((image.shape[0], image.shape[1]))), 2)
    # OpenCV puts the integer coordinate on the pixel's centre; ours is at i + 0.5.
    for (x, y), colour in zip(np.floor(points_xy).astype(int).tolist(), colours, strict=True):
        cv2.circle(drawn, (x, y), radius + 1, (20, 20, 20), -1, cv2.LINE_AA)
        cv2.circle(drawn, (x, y), radius, tuple(int(c) for c in colour), -1, cv2.LINE_AA)
    return drawn


def draw_keypoints(image: np.ndarray, xy: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Draw COCO keypoints and limbs: the person's left blue, right orange; hidden ones hollow.

    Args:
        image: Picture.
        xy: (17, 2) image pixels.
        visible: (17,) COCO v.
    """
    drawn = image.copy()
    scale = mark_scale((image.shape[0], image.shape[1]))
    places = [(int(x), int(y)) for x, y in np.floor(xy)]
    for a, b in SKELETON:
        if visible[a] and visible[b]:
            cv2.line(drawn, places[a], places[b], (200, 200, 200), max(round(scale), 1))
    for keypoint, place in enumerate(places):
        if visible[keypoint]:
            side = _MIDDLE if keypoint == 0 else (_LEFT if keypoint % 2 else _RIGHT)
            filled = -1 if visible[keypoint] == 2 else max(round(scale), 1)
            cv2.circle(drawn, place, max(round(4 * scale), 2), side, filled, cv2.LINE_AA)
    return drawn


def draw_annotations(
    image: np.ndarray, boxes_xyxy: np.ndarray, annotations: DensePoseAnnotations
) -> np.ndarray:
    """Draw the ground truth of an image as a row of panels with legends.

    Args:
        image: Picture.
        boxes_xyxy: (N, 4) boxes that the annotations refer to, image pixels.
        annotations: N annotations.

    Returns:
        Panels: boxes and keypoints, coarse parts, points coloured by chart, by U, by V.
    """
    image, zoom = _enlarged(image)
    boxes = np.asarray(boxes_xyxy, dtype=np.float32).reshape(-1, 4) * zoom
    people = draw_boxes(image, boxes)
    parts, charts, u, v = (image.copy() for _ in range(4))
    for box, person in zip(boxes, annotations, strict=True):
        if person.keypoint_xy is not None and person.keypoint_visible is not None:
            xy = _in_image(person.keypoint_xy, box)
            people = draw_keypoints(people, xy, person.keypoint_visible.cpu().numpy())
        if person.coarse_map is not None:
            parts = draw_coarse_map(parts, person.coarse_map.cpu().numpy(), box)
        charts, u, v = _draw_person_points((charts, u, v), person, box)
    panels = [people, parts, charts, chart_legend(image.shape[0]), u, v]
    titles = ["boxes, keypoints", "coarse parts", "points by chart", "", "U", "V", ""]
    return panel_row([*panels, value_legend(image.shape[0], colormap="turbo")], titles=titles)


def _draw_person_points(
    pictures: tuple[np.ndarray, ...], person: DensePoseAnnotation, box: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return a person's points on three pictures: coloured by chart, U and V."""
    xy = _in_image(person.point_xy, box)
    uv = (person.point_uv.cpu().numpy() * 255).astype(np.int64)
    table = colormap_table("turbo")
    colours = (
        chart_colours("sides")[person.point_charts.cpu().numpy()],
        table[uv[:, 0]],
        table[uv[:, 1]],
    )
    return tuple(draw_points(p, xy, c) for p, c in zip(pictures, colours, strict=True))


def _in_image(points: torch.Tensor, box: np.ndarray) -> np.ndarray:
    return box_relative_to_image(points.cpu().float(), torch.from_numpy(box)).numpy()


def _enlarged(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the image, magnified to a short side of 400 px if it is smaller, and the factor."""
    zoom = 400 / min(image.shape[:2])
    if zoom <= 1:
        return image, 1.0
    size = (round(image.shape[1] * zoom), round(image.shape[0] * zoom))
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), zoom
