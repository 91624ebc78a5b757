"""Geodesic point similarity of detections with annotated persons.

Source: DensePose paper section 2.3 (one kappa of 0.255 m) and the official evaluator (one kappa
per body region). The evaluator searches the nearest vertices of a person again for every
detection; here a person is searched once, detections read an exact table of their 256 x 256
possible U, V, and all pairs of many images are looked up together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmktn.evaluation.functional.detections import IuvMap
from mmktn.evaluation.functional.distance_lookup import geodesic_distances
from mmktn.evaluation.functional.ground_truth import PersonTruth
from mmktn.evaluation.functional.protocol import OFFICIAL, DensePoseProtocol
from mmktn.surface.parts import (
    CHART_TO_GPS_GROUP,
    GLOBAL_KAPPA_M,
    GPS_MEAN_DISTANCES_M,
    NUM_CHARTS,
)

PER_PART = "per_part"
GLOBAL = "global"
NORMALISERS = (PER_PART, GLOBAL)


class SurfaceLike(Protocol):
    """What the metric needs of a body surface; ``mmktn.surface.BodySurface`` has it."""

    @property
    def atlas(self) -> "AtlasLike":
        """Charts of the surface."""

    @property
    def geodesics(self) -> "GeodesicsLike":
        """Distances on the surface."""


class AtlasLike(Protocol):
    """Nearest-vertex look-ups in the charts."""

    mesh_vertex: NDArray[np.int64]

    def nearest_vertex(self, charts: ArrayLike, u: ArrayLike, v: ArrayLike) -> NDArray[np.int64]:
        """Nearest atlas vertex, -1 off the charts."""

    def nearest_vertex_uint8(
        self, charts: ArrayLike, u: ArrayLike, v: ArrayLike
    ) -> NDArray[np.int64]:
        """The same for bytes."""


class GeodesicsLike(Protocol):
    """Distances between mesh vertices."""

    def distance(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.floating]:
        """Metres between mesh vertices a and b."""


def kappas(charts: NDArray[np.int64], normaliser: str) -> NDArray[np.float64]:
    """Normalising distance of points by their chart.

    Args:
        charts: (P,) chart 1..24 of the true point.
        normaliser: ``"per_part"`` or ``"global"`` (0.255 m).

    Returns:
        (P,) kappa in metres.

    Raises:
        ValueError: The normaliser is unknown.
    """
    if normaliser == PER_PART:
        return GPS_MEAN_DISTANCES_M[CHART_TO_GPS_GROUP[charts]]
    if normaliser == GLOBAL:
        return np.full(np.shape(charts), GLOBAL_KAPPA_M)
    raise ValueError(f"normaliser {normaliser!r} is not one of {NORMALISERS}")


def metric_prefix(name: str, normaliser: str) -> str:
    """Key of a similarity that says which normaliser it uses.

    Args:
        name: ``"gps"``, ``"gpsm"`` or ``"iou"``.
        normaliser: ``"per_part"`` or ``"global"``.

    Returns:
        ``"gps"`` for the official one, ``"gps_kappa0.255"`` for the paper's; IoU has none.
    """
    if name == "iou" or normaliser == PER_PART:
        return name
    return f"{name}_kappa{GLOBAL_KAPPA_M:g}"


def point_similarity(
    distances_m: NDArray[np.floating], kappa_m: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Similarity exp(-d^2 / (2 kappa^2)) of points.

    Args:
        distances_m: (P,) geodesic distances in metres, inf for a miss.
        kappa_m: Normaliser in metres.

    Returns:
        (P,) similarity in [0, 1].
    """
    return np.exp(-(distances_m**2) / (2 * np.square(kappa_m)))


def similarity_names(metrics: Sequence[str], normalisers: Sequence[str]) -> list[str]:
    """Keys of all wanted similarities.

    Args:
        metrics: Some of ``"gps"``, ``"gpsm"``, ``"iou"``.
        normalisers: Some of ``"per_part"``, ``"global"``.

    Returns:
        Each key once, in order.
    """
    return list(dict.fromkeys(metric_prefix(m, n) for m in metrics for n in normalisers))


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
        """Mesh vertices of a person's points, -1 where the chart is none.

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
    """Mesh vertex of chart points.

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
    """Pixel of every point in the map of every detection.

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


@dataclass(frozen=True)
class PointReadings:
    """What detections say at annotated points; misses are left out.

    Attributes:
        det: (R,) index of the detection.
        point: (R,) index of the annotated point.
        charts: (R,) chart 1..24.
        u: (R,) U as byte 0..255 (uint8) or as number in [0, 1] (float64).
        v: (R,) V likewise.
    """

    det: NDArray[np.int64]
    point: NDArray[np.int64]
    charts: NDArray[np.int64]
    u: NDArray[np.uint8] | NDArray[np.float64]
    v: NDArray[np.uint8] | NDArray[np.float64]


class MapReader(Protocol):
    """How detections are read at annotated points; ``read_maps`` unless an oracle replaces it."""

    def __call__(
        self,
        points: PersonPoints,
        boxes_xywh: NDArray[np.float64],
        det_index: NDArray[np.int64],
        maps: Sequence[IuvMap],
        protocol: DensePoseProtocol,
    ) -> PointReadings:
        """Read the detections of one image."""


def read_maps(
    points: PersonPoints,
    boxes_xywh: NDArray[np.float64],
    det_index: NDArray[np.int64],
    maps: Sequence[IuvMap],
    protocol: DensePoseProtocol = OFFICIAL,
) -> PointReadings:
    """Read the maps of an image's detections at its annotated points.

    Args:
        points: Points of its persons.
        boxes_xywh: (D, 4) boxes.
        det_index: (D,) positions in the result list; not used here.
        maps: D maps (3, h, w).
        protocol: Says how pixels are rounded.

    Returns:
        Readings with a chart; points outside the box or on background are misses.
    """
    pixels, inside = points_in_boxes(points, boxes_xywh, protocol)
    det, point = np.nonzero(inside)
    x, y = pixels[det, point, 0], pixels[det, point, 1]
    ends = np.cumsum(np.bincount(det, minlength=len(maps))).tolist()
    values = np.zeros((3, len(det)), dtype=np.uint8)
    begin = 0
    for iuv, end in zip(maps, ends, strict=True):
        if end > begin:
            flat = y[begin:end] * iuv.shape[2] + x[begin:end]
            iuv.reshape(3, -1).take(flat, axis=1, out=values[:, begin:end], mode="wrap")
        begin = end
    found = np.flatnonzero(values[0])
    charts, u, v = values[:, found]
    return PointReadings(det[found], point[found], charts.astype(np.int64), u, v)


@dataclass
class GpsBatch:
    """Readings of several images, waiting for one common look-up.

    Attributes:
        surface: Body surface.
        protocol: Rules.
        normalisers: Which kappas to use.
        num_waiting: Readings that wait.
    """

    surface: SurfaceLike
    protocol: DensePoseProtocol = OFFICIAL
    normalisers: Sequence[str] = (PER_PART,)
    num_waiting: int = 0
    _points: list[PersonPoints] = field(default_factory=list)
    _num_dets: list[int] = field(default_factory=list)
    _readings: list[PointReadings] = field(default_factory=list)

    def add_image(self, points: PersonPoints, num_dets: int, readings: PointReadings) -> None:
        """Add one image.

        Args:
            points: Points of its persons.
            num_dets: Number of its detections D.
            readings: What they say at the points.
        """
        self._points.append(points)
        self._num_dets.append(num_dets)
        self._readings.append(readings)
        self.num_waiting += len(readings.det)

    def finish(self) -> list[dict[str, NDArray[np.float64]]]:
        """Look everything up and start anew.

        Returns:
            Per image: normaliser to (D, G) GPS.
        """
        points, dets, readings = self._points, self._num_dets, self._readings
        self._points, self._num_dets, self._readings, self.num_waiting = [], [], [], 0
        if not points:
            return []
        persons = [len(p.num_valid) for p in points]
        first_pair = np.cumsum([0, *(d * g for d, g in zip(dets, persons, strict=True))])
        num_valid = np.concatenate(
            [np.tile(p.num_valid, d) for p, d in zip(points, dets, strict=True)]
        )
        pair, kappa_charts, distances = self._distances(points, readings, first_pair, persons)
        squares = self._squares(distances, pair, num_valid)
        found: list[dict[str, NDArray[np.float64]]] = [{} for _ in points]
        for normaliser in self.normalisers:
            kappa = kappas(kappa_charts, normaliser)
            sums = np.bincount(
                pair, weights=np.exp(-squares / (2 * kappa**2)), minlength=len(num_valid)
            )
            gps = np.divide(sums, num_valid, out=np.zeros(len(sums)), where=num_valid > 0)
            for i, (d, g) in enumerate(zip(dets, persons, strict=True)):
                found[i][normaliser] = gps[first_pair[i] : first_pair[i + 1]].reshape(d, g)
        return found

    def _distances(
        self,
        points: list[PersonPoints],
        readings: list[PointReadings],
        first_pair: NDArray[np.int64],
        persons: list[int],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.floating]]:
        """Pair, true chart and geodesic distance of every reading on a valid point."""
        sizes = [len(r.det) for r in readings]
        first_point = np.cumsum([0, *(len(p.x) for p in points[:-1])])
        point = np.concatenate([r.point for r in readings]) + np.repeat(first_point, sizes)
        person = np.concatenate([p.person for p in points])[point]
        vertex = np.concatenate([p.vertex for p in points])[point]
        det = np.concatenate([r.det for r in readings])
        pair = np.repeat(first_pair[:-1], sizes) + det * np.repeat(persons, sizes) + person
        chart, u, v = (
            np.concatenate([getattr(r, name) for r in readings]) for name in ("charts", "u", "v")
        )
        kept = np.flatnonzero(vertex >= 0)
        atlas = self.surface.atlas
        search = atlas.nearest_vertex_uint8 if u.dtype == np.uint8 else atlas.nearest_vertex
        predicted = atlas.mesh_vertex[search(chart[kept], u[kept], v[kept])]
        distances = geodesic_distances(self.surface.geodesics, vertex[kept], predicted)
        true_charts = np.concatenate([p.charts for p in points])[point[kept]]
        return pair[kept], true_charts, distances

    def _squares(
        self,
        distances: NDArray[np.floating],
        pair: NDArray[np.int64],
        num_valid: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Squared distances, in the precision of the official evaluator if wanted."""
        squares = np.square(distances, dtype=np.float64)
        if not self.protocol.float32_squares:
            return squares
        positive = np.bincount(pair[distances > 0], minlength=len(num_valid))
        narrow = (positive == num_valid)[pair]
        squares[narrow] = np.square(distances[narrow].astype(np.float32))
        return squares
