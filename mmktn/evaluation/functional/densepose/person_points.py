"""Annotated points of persons: where they lie in the image, on the surface and in detections.

Source: official evaluator. It searches a person's vertices again for every detection; here once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.protocol import OFFICIAL, DensePoseProtocol
from mmktn.evaluation.functional.densepose.ground_truth import PersonTruth
from mmktn.evaluation.functional.densepose.surface_like import SurfaceLike
from mmktn.surface.parts import (
    NUM_CHARTS,
)


@dataclass
class PersonPoints:
    """Points of the persons of one image.

    Attributes:
        x: (P,) image pixels.
        y: (P,) image pixels.
        person: (P,) index of the person in the image's list.
        charts: (P,) true chart.
        vertex: (P,) true mesh vertex, -1 where the chart is none.
        uv: (P, 2) true U, V.
        num_valid: (G,) points with a vertex, per person.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    person: NDArray[np.int64]
    charts: NDArray[np.int64]
    vertex: NDArray[np.int64]
    uv: NDArray[np.float64]
    num_valid: NDArray[np.int64]


class TruthVertices:
    """Mesh vertices of all annotated points of a set, searched in one go at first use.

    Args:
        persons: All persons.
        surface: Body surface.
    """

    def __init__(self, persons: Sequence[PersonTruth], surface: SurfaceLike) -> None:
        self.surface = surface
        self._persons = list(persons)
        self._vertices: dict[int, NDArray[np.int64]] | None = None

    def of(self, person: PersonTruth) -> NDArray[np.int64]:
        """Return the mesh vertices of a person's points, -1 where the chart is none.

        Args:
            person: One of the persons.

        Returns:
            (P,) vertex ids.
        """
        if self._vertices is None:
            found = search_vertices(self._persons, self.surface)
            ids = (p.annotation_id for p in self._persons)
            self._vertices = dict(zip(ids, found, strict=True))
        return self._vertices[person.annotation_id]


def search_vertices(
    persons: Sequence[PersonTruth], surface: SurfaceLike
) -> list[NDArray[np.int64]]:
    """Search the mesh vertices of annotated points.

    Args:
        persons: G persons.
        surface: Body surface.

    Returns:
        (P,) vertex ids per person, -1 where the chart is none.
    """
    if not persons:
        return []
    charts = np.concatenate([p.charts for p in persons])
    uv = np.concatenate([p.uv for p in persons])
    ends = np.cumsum([len(p.charts) for p in persons])[:-1]
    return np.split(nearest_mesh_vertex(surface, charts, uv), ends)


def place_points(
    persons: Sequence[PersonTruth],
    vertices: Sequence[NDArray[np.int64]],
    protocol: DensePoseProtocol = OFFICIAL,
) -> PersonPoints:
    """Place annotated points in the image.

    Args:
        persons: G persons of one image.
        vertices: Their mesh vertices, from ``search_vertices`` or ``TruthVertices``.
        protocol: Says which grid the points are read on.

    Returns:
        All their points.
    """
    counts = np.array([len(p.charts) for p in persons], dtype=np.int64)
    person = np.repeat(np.arange(len(persons)), counts)
    boxes = np.array([p.box_xywh for p in persons]).reshape(-1, 4)[person]
    grid = np.concatenate([p.grid_xy for p in persons] or [np.zeros((0, 2))])
    charts = np.concatenate([p.charts for p in persons] or [np.zeros(0, dtype=np.int64)])
    uv = np.concatenate([p.uv for p in persons] or [np.zeros((0, 2))])
    vertex = np.concatenate([*vertices] or [np.zeros(0, dtype=np.int64)])
    # Order of operations as in the official evaluator: the truncation that follows sees every ulp.
    xy = grid * boxes[:, 2:] / protocol.point_grid + boxes[:, :2]
    num_valid = np.bincount(person[vertex >= 0], minlength=len(persons))
    return PersonPoints(xy[:, 0], xy[:, 1], person, charts, vertex, uv, num_valid)


def nearest_mesh_vertex(
    surface: SurfaceLike, charts: NDArray[np.int64], uv: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the mesh vertex of chart points.

    Args:
        surface: Body surface.
        charts: (P,) chart numbers.
        uv: (P, 2) U, V.

    Returns:
        (P,) mesh vertex ids, -1 where the chart is none of 1..24.
    """
    on_chart = (charts >= 1) & (charts <= NUM_CHARTS)
    vertex = np.full(len(charts), -1, dtype=np.int64)
    if on_chart.any():
        chosen = surface.atlas.nearest_vertex(charts[on_chart], uv[on_chart, 0], uv[on_chart, 1])
        vertex[on_chart] = surface.atlas.mesh_vertex[chosen]
    return vertex


def points_in_boxes(
    points: PersonPoints, boxes_xywh: NDArray[np.float64], protocol: DensePoseProtocol = OFFICIAL
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the pixel of every point in the map of every detection.

    Args:
        points: Points of the image.
        boxes_xywh: (D, 4) detection boxes.
        protocol: Says how a fraction left of or above the box is rounded.

    Returns:
        (D, P, 2) pixel x, y in the map, 0 where outside, and (D, P) whether it is inside.
    """
    xy = np.stack([points.x, points.y], axis=-1)[None] - boxes_xywh[:, None, :2]
    if not protocol.truncate_toward_zero:
        xy = np.floor(xy)
    pixels = xy.astype(np.int64)
    limits = boxes_xywh[:, None, 2:].astype(np.int64)
    inside: NDArray[np.bool_] = np.asarray(((pixels >= 0) & (pixels < limits)).all(axis=-1))
    pixels[~inside] = 0
    return pixels, inside
