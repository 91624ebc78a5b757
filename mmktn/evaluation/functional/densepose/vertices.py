"""GPS of detections that name vertices of meshes (continuous surface embeddings).

Source: detectron2's DensePose evaluator for `cse`. Matching, areas, thresholds and columns are
those of charts; the distance runs along the mesh that the annotation names, every annotated point
counts, and the normaliser is that of the annotated part on the body of people, 0.255 elsewhere.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.protocol import (
    OFFICIAL,
    DensePoseProtocol,
    densepose_protocol,
)
from mmktn.evaluation.functional.densepose.gps import PER_PART, similarity_names
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth, PersonTruth
from mmktn.evaluation.functional.densepose.pair_scorer import METRICS, PairScorer, check_detections
from mmktn.evaluation.functional.densepose.scores import DensePoseScores, summarize_pairs
from mmktn.evaluation.functional.masks.ignore_regions import keeps_person
from mmktn.formats.dense_detections import DenseDetections, IuvMap
from mmktn.surface.parts import CHART_TO_GPS_GROUP, GLOBAL_KAPPA_M, GPS_MEAN_DISTANCES_M, NUM_CHARTS
from mmktn.surface.reference_mesh import ReferenceMesh

PEOPLE = "smpl_27554"
"""The mesh on which the official evaluator uses a normaliser for each part of the body."""

VertexMap = NDArray[np.integer]
LoadVertices = Callable[[int, str], VertexMap]
"""Position in the result list and name of a mesh -> (h, w) vertices, -1 outside of the body."""


def vertex_kappas(person: PersonTruth, *, people: Sequence[str] = (PEOPLE,)) -> NDArray[np.float64]:
    """Return the normalising distance of a person's points, (P,), in units of the mesh.

    Args:
        person: The annotation.
        people: Meshes of people, whose annotated parts have normalisers of their own.
    """
    if person.mesh not in people or not person.has_charts:
        return np.full(len(person.grid_xy), GLOBAL_KAPPA_M)
    charts = np.where((person.charts >= 0) & (person.charts <= NUM_CHARTS), person.charts, 0)
    return GPS_MEAN_DISTANCES_M[CHART_TO_GPS_GROUP[charts]]


def vertex_similarity(
    distances: NDArray[np.floating], kappa: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute exp(-d^2 / (2 kappa^2)) of points; 0 for a miss and where kappa is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.exp(-(distances.astype(np.float64) ** 2) / (2 * kappa**2))
    return np.nan_to_num(found, nan=0.0)


def points_in_box(
    person: PersonTruth, box_xywh: NDArray[np.float64], *, grid: float, toward_zero: bool
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Find the pixels (P, 2) of a person's points in a detection's map, and which lie inside."""
    true = person.box_xywh
    xy = person.grid_xy * true[2:] / grid + true[:2] - box_xywh[:2]
    pixels = (xy if toward_zero else np.floor(xy)).astype(np.int64)
    within = (pixels >= 0) & (pixels < box_xywh[2:].astype(np.int64))
    inside: NDArray[np.bool_] = np.asarray(within.all(axis=1))
    return pixels, inside


@dataclass(frozen=True)
class VertexReadings:
    """GPS of one image, complete when it was read.

    Attributes:
        gps: Normaliser to (D, G) GPS.
        num_waiting: Number of distances to look up: none.
    """

    gps: dict[str, NDArray[np.float64]]
    num_waiting: int = 0


class VertexGps:
    """GPS of detections that name vertices.

    Args:
        meshes: Name of a mesh -> mesh, for every `ref_model` of the ground truth.
        load_vertices: The detections' vertices.
        protocol: Rules.
        people: Meshes with a normaliser for each part.
    """

    normalisers: tuple[str, ...] = (PER_PART,)

    def __init__(
        self,
        meshes: Mapping[str, ReferenceMesh],
        load_vertices: LoadVertices,
        protocol: DensePoseProtocol = OFFICIAL,
        people: Sequence[str] = (PEOPLE,),
    ) -> None:
        self.meshes = meshes
        self.load_vertices = load_vertices
        self.protocol = protocol
        self.people = tuple(people)

    def read(
        self,
        persons: Sequence[PersonTruth],
        boxes_xywh: NDArray[np.float64],
        det_index: NDArray[np.int64],
        maps: Sequence[IuvMap],
    ) -> VertexReadings:
        """Compare the detections of one image with its persons; ``maps`` are not used."""
        del maps
        gps = np.zeros((len(det_index), len(persons)))
        for d, (box, index) in enumerate(zip(boxes_xywh, det_index.tolist(), strict=True)):
            for g, person in enumerate(persons):
                gps[d, g] = self._similarity(person, box, index)
        return VertexReadings({PER_PART: gps})

    def look_up(self, images: Sequence[VertexReadings]) -> list[dict[str, NDArray[np.float64]]]:
        """For each image: normaliser to (D, G) GPS."""
        return [image.gps for image in images]

    def distances(
        self, person: PersonTruth, box_xywh: NDArray[np.float64], index: int
    ) -> NDArray[np.float32]:
        """Measure from a person's points to what a detection says there: (P,), inf for a miss."""
        assert person.mesh is not None
        assert person.vertices is not None
        pixels, inside = points_in_box(
            person,
            box_xywh,
            grid=self.protocol.point_grid,
            toward_zero=self.protocol.truncate_toward_zero,
        )
        found = np.full(len(person.vertices), -1, dtype=np.int64)
        if inside.any():
            x, y = pixels[inside].T
            found[inside] = self.load_vertices(index, person.mesh)[y, x]
        return self.meshes[person.mesh].geodesic(person.vertices, found)

    def _similarity(self, person: PersonTruth, box_xywh: NDArray[np.float64], index: int) -> float:
        if person.mesh is None or person.vertices is None or not len(person.vertices):
            return 0.0
        kappa = vertex_kappas(person, people=self.people)
        return float(vertex_similarity(self.distances(person, box_xywh, index), kappa).mean())


def vertex_scorer(
    truth: DensePoseTruth,
    meshes: Mapping[str, ReferenceMesh],
    load_vertices: LoadVertices,
    *,
    metrics: Sequence[str] = METRICS,
    protocol: str | DensePoseProtocol = "official",
    people: Sequence[str] = (PEOPLE,),
) -> PairScorer:
    """Make a scorer of detections that name vertices.

    Args:
        truth: Ground truth.
        meshes: Name of a mesh -> mesh, for every `ref_model` of the ground truth.
        load_vertices: The detections' vertices.
        metrics: Some of ``"gps"``, ``"gpsm"``, ``"iou"``.
        protocol: Name or protocol.
        people: Meshes with a normaliser for each part.

    Returns:
        The scorer.
    """
    rules = densepose_protocol(protocol)
    gps = VertexGps(meshes, load_vertices, rules, people)
    return PairScorer(truth, gps, metrics=metrics, protocol=rules, keeps=_keeps_by_box)


def _keeps_by_box(
    box_xywh: NDArray[np.float64], iuv: IuvMap, region: NDArray[np.uint8], *, loose: bool
) -> bool:
    """Detections that name vertices stay or go by their box, as persons do."""
    del iuv
    return keeps_person(box_xywh, region, loose=loose)


def evaluate_vertices(
    truth: DensePoseTruth,
    detections: DenseDetections,
    meshes: Mapping[str, ReferenceMesh],
    load_vertices: LoadVertices,
    *,
    metrics: Sequence[str] = METRICS,
    protocol: str | DensePoseProtocol = "official",
    min_threshold: float = 0.5,
    people: Sequence[str] = (PEOPLE,),
) -> DensePoseScores:
    """Evaluate a list of detections that name vertices.

    Args:
        truth: Ground truth with `dp_vertex` and `ref_model`.
        detections: Boxes, scores and masks: the first channel of a map is not 0 on the body.
        meshes: Name -> mesh.
        load_vertices: Vertices of the same detections.
        metrics: Some of ``"gps"``, ``"gpsm"``, ``"iou"``.
        protocol: ``"official"``, ``"clean"`` or a protocol.
        min_threshold: Lowest threshold.
        people: Meshes with a normaliser for each part.

    Returns:
        Columns, curves, matches and notes.
    """
    check_detections(detections, truth)
    scorer = vertex_scorer(
        truth, meshes, load_vertices, metrics=metrics, protocol=protocol, people=people
    )
    scorer.add_all(detections)
    return summarize_pairs(
        scorer.finish(),
        similarity_names(metrics, (PER_PART,)),
        categories=truth.categories,
        protocol=protocol,
        min_threshold=min_threshold,
        notes=truth.notes,
    )


@dataclass(frozen=True)
class MeshAlignment:
    """How well the vectors of different meshes agree.

    Attributes:
        error: Mean geodesic error in units of the mesh.
        gps: Mean similarity.
        errors: Mesh -> mean error of its key places on the others.
        similarities: Mesh -> mean similarity.
    """

    error: float
    gps: float
    errors: dict[str, float]
    similarities: dict[str, float]


def mesh_alignment(
    vectors: Mapping[str, NDArray[np.floating]],
    meshes: Mapping[str, ReferenceMesh],
    key_vertices: Mapping[str, Mapping[str, int]],
) -> MeshAlignment:
    """Take the key places of each mesh to the others by their vectors.

    Args:
        vectors: Mesh -> (K, D) unit vectors of its vertices; two meshes or more.
        meshes: Mesh -> geometry.
        key_vertices: Mesh -> name of a place -> vertex (`read_key_vertices`).

    Returns:
        Errors; those of a mesh are means over the others, the total is the mean over meshes.

    Raises:
        ValueError: One mesh alone, or a place that another mesh lacks.
    """
    if len(vectors) < 2:
        raise ValueError("mesh alignment compares meshes: give two or more")
    errors, similarities = {}, {}
    for name, own in vectors.items():
        found = []
        for other, theirs in vectors.items():
            if other == name:
                continue
            lacking = [k for k in key_vertices[name] if k not in key_vertices[other]]
            if lacking:
                raise ValueError(f"key vertex {lacking[0]!r} of {name}: {other} has none")
            start = np.array(list(key_vertices[name].values()))
            wanted = np.array([key_vertices[other][key] for key in key_vertices[name]])
            match = (own[start] @ theirs.T).argmax(axis=1)
            distance = meshes[other].geodesic(match, wanted).astype(np.float64)
            similarity = np.exp(-(distance**2) / (2 * GLOBAL_KAPPA_M**2))
            found.append((distance.mean(), similarity.mean()))
        errors[name], similarities[name] = (float(v) for v in np.mean(found, axis=0))
    return MeshAlignment(
        float(np.mean(list(errors.values()))),
        float(np.mean(list(similarities.values()))),
        errors,
        similarities,
    )
