"""Geodesic point similarity of detections with annotated persons.

Source: DensePose paper section 2.3 (one kappa of 0.255 m) and the official evaluator (one kappa
per group of charts). Detections read an exact table of the 256 x 256 possible U, V of a chart, and
the pairs of many images are looked up together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.protocol import OFFICIAL, DensePoseProtocol
from mmktn.evaluation.functional.densepose.distance_lookup import geodesic_distances
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth, PersonTruth
from mmktn.evaluation.functional.densepose.person_points import (
    PersonPoints,
    TruthVertices,
    place_points,
    points_in_boxes,
)
from mmktn.evaluation.functional.densepose.surface_like import SurfaceLike
from mmktn.formats.dense_detections import IuvMap
from mmktn.surface.parts import (
    CHART_TO_GPS_GROUP,
    GLOBAL_KAPPA_M,
    GPS_MEAN_DISTANCES_M,
)

PER_PART = "per_part"
GLOBAL = "global"
NORMALISERS = (PER_PART, GLOBAL)


def kappas(charts: NDArray[np.int64], normaliser: str) -> NDArray[np.float64]:
    """Return the normalising distance of points by their chart.

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
    """Return the key of a similarity that says which normaliser it uses.

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
    """Compute the similarity exp(-d^2 / (2 kappa^2)) of points.

    Args:
        distances_m: (P,) geodesic distances in metres, inf for a miss.
        kappa_m: Normaliser in metres.

    Returns:
        (P,) similarity in [0, 1].
    """
    return np.exp(-(distances_m**2) / (2 * np.square(kappa_m)))


def similarity_names(metrics: Sequence[str], normalisers: Sequence[str]) -> list[str]:
    """Return the keys of all wanted similarities.

    Args:
        metrics: Some of ``"gps"``, ``"gpsm"``, ``"iou"``.
        normalisers: Some of ``"per_part"``, ``"global"``.

    Returns:
        Each key once, in order.
    """
    return list(dict.fromkeys(metric_prefix(m, n) for m in metrics for n in normalisers))


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


@dataclass(frozen=True)
class ImageReadings:
    """What one image gives to the GPS of charts.

    Attributes:
        points: Points of its persons.
        num_dets: Number of its detections D.
        readings: What they say at the points.
    """

    points: PersonPoints
    num_dets: int
    readings: PointReadings

    @property
    def num_waiting(self) -> int:
        """Number of distances to look up."""
        return len(self.readings.det)


class ChartGps:
    """GPS of detections that name charts: read an image, then look many images up together.

    Args:
        truth: Ground truth.
        surface: Body surface.
        protocol: Rules.
        normalisers: Some of ``"per_part"``, ``"global"``.
        reader: How detections are read at annotated points.
    """

    def __init__(
        self,
        truth: DensePoseTruth,
        surface: SurfaceLike,
        protocol: DensePoseProtocol = OFFICIAL,
        normalisers: Sequence[str] = (PER_PART,),
        reader: MapReader = read_maps,
    ) -> None:
        self.surface = surface
        self.protocol = protocol
        self.normalisers = tuple(normalisers)
        self.reader = reader
        self._vertices = TruthVertices(truth.all_persons(), surface)

    def read(
        self,
        persons: Sequence[PersonTruth],
        boxes_xywh: NDArray[np.float64],
        det_index: NDArray[np.int64],
        maps: Sequence[IuvMap],
    ) -> ImageReadings:
        """Read the detections of one image at the points of its persons.

        Args:
            persons: G persons.
            boxes_xywh: (D, 4) boxes.
            det_index: (D,) positions in the result list.
            maps: D maps (3, h, w).

        Returns:
            The readings.
        """
        # Persons without points are ignored: their GPS is 0 in the official matrix too.
        points = place_points(persons, [self._vertices.of(p) for p in persons], self.protocol)
        readings = self.reader(points, boxes_xywh, det_index, maps, self.protocol)
        return ImageReadings(points, len(det_index), readings)

    def look_up(self, images: Sequence[ImageReadings]) -> list[dict[str, NDArray[np.float64]]]:
        """Look the distances of several images up in one go.

        Args:
            images: Their readings.

        Returns:
            For each image: normaliser to (D, G) GPS.
        """
        if not images:
            return []
        points, dets = [image.points for image in images], [image.num_dets for image in images]
        readings = [image.readings for image in images]
        persons = [len(p.num_valid) for p in points]
        first_pair = np.cumsum([0, *(d * g for d, g in zip(dets, persons, strict=True))])
        num_valid = np.concatenate(
            [np.tile(p.num_valid, d) for p, d in zip(points, dets, strict=True)]
        )
        pair, kappa_charts, distances = self._distances(points, readings, first_pair, persons)
        squares = self._squares(distances, pair, num_valid)
        found: list[dict[str, NDArray[np.float64]]] = [{} for _ in images]
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
        """Compute the squared distances, in the precision of the official evaluator if wanted."""
        squares = np.square(distances, dtype=np.float64)
        if not self.protocol.float32_squares:
            return squares
        positive = np.bincount(pair[distances > 0], minlength=len(num_valid))
        narrow = (positive == num_valid)[pair]
        squares[narrow] = np.square(distances[narrow].astype(np.float32))
        return squares
