"""Pointwise evaluation: geodesic error of every annotated point of a set.

Source: DensePose paper section 2.3. Its code is not published: detections are painted into the
image, best score on top, and read at every annotated point; a point that shows background is at
infinite distance.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.protocol import DensePoseProtocol, densepose_protocol
from mmktn.evaluation.functional.densepose.distance_lookup import geodesic_distances
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.pair_scorer import check_detections
from mmktn.evaluation.functional.densepose.person_points import (
    PersonPoints,
    TruthVertices,
    place_points,
    points_in_boxes,
    search_vertices,
)
from mmktn.evaluation.functional.densepose.point_errors import (
    AUC_LIMITS_M,
    PointDistances,
    area_under_curve,
)
from mmktn.evaluation.functional.densepose.surface_like import SurfaceLike, surface_note
from mmktn.evaluation.functional.masks.foreground import (
    ForegroundCount,
    count_foreground,
    paint,
    truth_foreground,
)
from mmktn.formats.dense_detections import DenseDetections, IuvMap


@dataclass(frozen=True)
class PointwiseScores:
    """Result of a pointwise evaluation.

    Attributes:
        points: Errors of all points.
        foreground: Per image, person pixels shared and in union; empty where not asked for.
        notes: Sentences on what was left out and why.
        surface: Name of the surface that distances were measured on.
    """

    points: PointDistances
    foreground: dict[int, ForegroundCount] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    surface: str = ""

    def values(self) -> dict[str, float]:
        """AUC10, AUC30, share of missed points, and IoU where it was asked for; -1 undefined."""
        distances = self.points.distances_m
        found = {f"AUC{round(100 * a)}": area_under_curve(distances, a) for a in AUC_LIMITS_M}
        missed = float(np.isinf(distances).mean()) if len(distances) else -1.0
        found["missed"] = missed
        if self.foreground:
            counts = list(self.foreground.values())
            union = sum(c.union for c in counts)
            shares = [c.shared / c.union for c in counts if c.union]
            found["IoU"] = sum(c.shared for c in counts) / union if union else -1.0
            found["IoU_image_mean"] = float(np.mean(shares)) if shares else -1.0
        return found


def read_points_in_image(
    points: PersonPoints,
    boxes_xywh: NDArray[np.float64],
    scores: NDArray[np.float64],
    maps: Sequence[IuvMap],
    protocol: DensePoseProtocol,
) -> NDArray[np.uint8]:
    """Read the painted image at annotated points.

    Args:
        points: Points of the image's persons.
        boxes_xywh: (D, 4) boxes.
        scores: (D,) scores; a better one is painted over a worse one.
        maps: D maps.
        protocol: Says how pixels are rounded.

    Returns:
        (3, P) I, 255 U, 255 V; 0 where no detection shows a person.
    """
    pixels, inside = points_in_boxes(points, boxes_xywh, protocol)
    values = np.zeros((3, len(points.x)), dtype=np.uint8)
    for d in np.argsort(scores, kind="stable"):
        at = np.flatnonzero(inside[d])
        read = maps[d][:, pixels[d, at, 1], pixels[d, at, 0]]
        person = read[0] > 0
        values[:, at[person]] = read[:, person]
    return values


def point_distances(
    points: PersonPoints, values: NDArray[np.uint8], surface: SurfaceLike, image_id: int
) -> PointDistances:
    """Compute the geodesic errors of the points of one image.

    Args:
        points: Points of the image's persons.
        values: (3, P) I, 255 U, 255 V read there.
        surface: Body surface.
        image_id: Image.

    Returns:
        Errors of the points that have a chart.
    """
    valid = points.vertex >= 0
    read, vertex = values[:, valid], points.vertex[valid]
    return PointDistances(
        _errors(vertex, read, surface),
        points.charts[valid].astype(np.uint8),
        vertex.astype(np.int32),
        np.full(len(vertex), image_id),
    )


def _errors(
    vertex: NDArray[np.int64], read: NDArray[np.uint8], surface: SurfaceLike
) -> NDArray[np.float32]:
    """Return the distance between true vertices and what (3, P) bytes say."""
    distances = np.full(len(vertex), np.inf, dtype=np.float32)
    hit = read[0] > 0
    if hit.any():
        found = surface.atlas.nearest_vertex_uint8(read[0, hit], read[1, hit], read[2, hit])
        distances[hit] = geodesic_distances(
            surface.geodesics, vertex[hit], surface.atlas.mesh_vertex[found]
        )
    return distances


def dense_distances(
    painted: NDArray[np.uint8],
    true_charts: NDArray[np.uint8],
    true_uv: NDArray[np.floating],
    *,
    surface: SurfaceLike,
    image_id: int,
    stride: int = 1,
) -> PointDistances:
    """Compute the geodesic errors of all pixels of an image with a dense ground-truth map.

    Args:
        painted: (3, H, W) painted detections.
        true_charts: (H, W) chart, 0 on the background.
        true_uv: (2, H, W) U, V in [0, 1].
        surface: Body surface.
        image_id: Image.
        stride: Step between the rows and columns that are scored; 1 scores all pixels.

    Returns:
        Errors of the person pixels.

    Raises:
        ValueError: The sizes differ.
    """
    if not painted.shape[1:] == true_charts.shape == true_uv.shape[1:]:
        raise ValueError(
            f"image {image_id}: dense maps are {true_charts.shape} and {true_uv.shape}, the image "
            f"{painted.shape[1:]}"
        )
    charts = true_charts[::stride, ::stride]
    y, x = np.nonzero(charts)
    charts = charts[y, x]
    u, v = true_uv[:, ::stride, ::stride][:, y, x]
    nearest = surface.atlas.nearest_vertex(charts, u, v)
    vertex = surface.atlas.mesh_vertex[nearest]
    read = painted[:, ::stride, ::stride][:, y, x]
    return PointDistances(
        _errors(vertex, read, surface),
        charts.astype(np.uint8),
        vertex.astype(np.int32),
        np.full(len(vertex), image_id),
    )


def evaluate_pointwise(
    truth: DensePoseTruth,
    detections: DenseDetections,
    surface: SurfaceLike,
    *,
    protocol: str | DensePoseProtocol = "clean",
    min_score: float = 0.0,
    with_iou: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> PointwiseScores:
    """Evaluate a result list point by point.

    Args:
        truth: Ground truth.
        detections: Results of any score; they are painted over each other.
        surface: Body surface.
        protocol: Where an annotated point lies (grid of 255 or 256, rounding).
        min_score: Detections below are not painted.
        with_iou: Also compare the painted persons with the segmentations.
        progress: Called with (images done, images in all).

    Returns:
        Errors of all annotated points, and the foreground counts.

    Raises:
        ValueError: Results are unusable; the first ten are named.
    """
    check_detections(detections, truth)
    rules = densepose_protocol(protocol)
    by_image: dict[int, list[int]] = defaultdict(list)
    for k in np.flatnonzero(detections.scores >= min_score).tolist():
        by_image[int(detections.image_ids[k])].append(k)
    annotated = {image_id for (image_id, _), p in truth.persons.items() if p}
    parts, foreground = [], {}
    vertices = TruthVertices(truth.all_persons(), surface)
    for done, image_id in enumerate(sorted(annotated)):
        index = np.array(by_image[image_id], dtype=np.int64)
        part, count = score_image(
            truth, image_id, surface,
            boxes_xywh=detections.boxes_xywh[index], scores=detections.scores[index],
            maps=[detections.iuv(k) for k in index.tolist()], protocol=rules, with_iou=with_iou,
            vertices=vertices,
        )  # fmt: skip
        parts.append(part)
        if count is not None:
            foreground[image_id] = count
        if progress is not None:
            progress(done + 1, len(annotated))
    notes = [*detections.notes, *truth.notes]
    below = int((detections.scores < min_score).sum())
    if below:
        notes.append(f"{below} detections below score {min_score:g} are not painted")
    elsewhere = sum(len(v) for k, v in by_image.items() if k not in annotated)
    if elsewhere:
        notes.append(f"{elsewhere} detections in images without annotations are not looked at")
    notes += surface_note(surface)
    name = getattr(surface, "name", "")
    return PointwiseScores(PointDistances.merge(parts), foreground, notes, surface=name)


def score_image(
    truth: DensePoseTruth,
    image_id: int,
    surface: SurfaceLike,
    *,
    boxes_xywh: NDArray[np.float64],
    scores: NDArray[np.float64],
    maps: Sequence[IuvMap],
    protocol: DensePoseProtocol,
    with_iou: bool,
    vertices: TruthVertices | None = None,
) -> tuple[PointDistances, ForegroundCount | None]:
    """Return the errors of the annotated points of one image.

    Args:
        truth: Ground truth.
        image_id: Image.
        surface: Body surface.
        boxes_xywh: (D, 4) boxes.
        scores: (D,) scores.
        maps: D maps.
        protocol: Where a point lies.
        with_iou: Also compare the foreground.
        vertices: Vertices of the set's points, if they were searched in common.

    Returns:
        Errors, and the foreground count where asked for.
    """
    persons = [p for c in truth.categories for p in truth.persons.get((image_id, c), [])]
    persons = [p for p in persons if p.has_points]
    found = search_vertices(persons, surface) if vertices is None else map(vertices.of, persons)
    points = place_points(persons, list(found), protocol)
    values = read_points_in_image(points, boxes_xywh, scores, maps, protocol)
    errors = point_distances(points, values, surface, image_id)
    if not with_iou:
        return errors, None
    painted = paint(boxes_xywh, scores, maps, truth.images[image_id])
    return errors, count_foreground(painted, truth_foreground(truth, image_id))
