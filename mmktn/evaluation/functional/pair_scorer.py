"""Similarity matrices of detections and persons, image by image.

Source: official evaluator. GPS, GPSm and IoU share one reading of every map; look-ups wait until
there are many, so memory holds one chunk of them and the small matrices.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.gps import (
    NORMALISERS,
    PER_PART,
    GpsBatch,
    MapReader,
    metric_prefix,
    read_maps,
)
from mmktn.evaluation.functional.ground_truth import DensePoseTruth, PersonTruth
from mmktn.evaluation.functional.ignore_regions import (
    ignore_region_mask,
    keeps_detection,
    keeps_person,
)
from mmktn.evaluation.functional.mask_iou import (
    box_iou_matrix,
    detection_mask,
    mask_iou_matrix,
    true_mask_iou_matrix,
    truth_mask,
)
from mmktn.evaluation.functional.matching import ImagePairs
from mmktn.evaluation.functional.person_points import TruthVertices, place_points
from mmktn.evaluation.functional.protocol import (
    MAX_DETECTIONS,
    DensePoseProtocol,
    densepose_protocol,
)
from mmktn.evaluation.functional.surface_like import SurfaceLike
from mmktn.formats.dense_detections import DenseDetections, IuvMap

METRICS = ("gps", "gpsm", "iou")


class GpsSource(Protocol):
    """Where the GPS of images that were added comes from, in their order."""

    num_waiting: int

    def add_image(self, points: Any, num_dets: int, readings: Any) -> None:
        """Add one image."""

    def finish(self) -> list[dict[str, NDArray[np.float64]]]:
        """Per image: normaliser to (D, G) GPS."""


_CHUNK_READINGS = 500_000


class PairScorer:
    """Turn detections and persons of one image after the other into similarity matrices.

    Args:
        truth: Ground truth.
        surface: Body surface; needed unless only ``"iou"`` is asked for.
        metrics: Some of ``"gps"``, ``"gpsm"``, ``"iou"``.
        normalisers: Some of ``"per_part"``, ``"global"``.
        protocol: Name or protocol.
        reader: How detections are read at annotated points.
        with_true_masks: Give every detection the person's mask inside its box (oracle).

    Raises:
        ValueError: A name is unknown, or the surface is missing.
    """

    def __init__(
        self,
        truth: DensePoseTruth,
        surface: SurfaceLike | None,
        *,
        metrics: Sequence[str] = METRICS,
        normalisers: Sequence[str] = (PER_PART,),
        protocol: str | DensePoseProtocol = "official",
        reader: MapReader = read_maps,
        with_true_masks: bool = False,
    ) -> None:
        check_names(metrics, METRICS, "metric")
        check_names(normalisers, NORMALISERS, "normaliser")
        self.truth = truth
        self.metrics = tuple(metrics)
        self.normalisers = tuple(normalisers)
        self.protocol = densepose_protocol(protocol)
        self.reader = reader
        self.with_true_masks = with_true_masks
        self.with_gps = bool({"gps", "gpsm"} & set(metrics))
        self.with_masks = bool({"gpsm", "iou"} & set(metrics))
        self.num_dropped_by_region = 0
        self.num_beyond_limit = 0
        self._vertices: TruthVertices | None = None
        self._batch = self._gps_source(surface) if self.with_gps else None
        self._waiting: list[tuple[ImagePairs, NDArray[np.float64] | None]] = []
        self._done: list[ImagePairs] = []

    def _gps_source(self, surface: SurfaceLike | None) -> GpsSource:
        """What collects the images and gives their GPS.

        Raises:
            ValueError: The surface is missing.
        """
        if surface is None:
            raise ValueError("metrics gps and gpsm need a body surface; none was given")
        self._vertices = TruthVertices(self.truth.all_persons(), surface)
        return GpsBatch(surface, self.protocol, self.normalisers)

    def add_all(
        self, detections: DenseDetections, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Score a result list against all persons, category by category.

        Args:
            detections: The list.
            progress: Called with (images done, images in all).
        """
        by_key: dict[tuple[int, int], list[int]] = defaultdict(list)
        columns_of_keys = detections.image_ids.tolist(), detections.category_ids.tolist()
        for k, key in enumerate(zip(*columns_of_keys, strict=True)):
            by_key[key].append(k)
        keys = sorted({*by_key, *self.truth.persons}, key=lambda key: (key[1], key[0]))
        for done, (image_id, category_id) in enumerate(keys):
            index = np.array(by_key.get((image_id, category_id), []), dtype=np.int64)
            self.add(image_id, category_id, detections, index)
            if progress is not None:
                progress(done + 1, len(keys))

    def add_missed(self, image_id: int, category_id: int) -> None:
        """Add an image and category that nothing was detected in."""
        nothing = DenseDetections.from_maps(
            [], np.zeros((0, 4)), scores=[], maps=[], category_ids=[]
        )
        self.add(image_id, category_id, nothing, np.zeros(0, dtype=np.int64))

    def add(
        self,
        image_id: int,
        category_id: int,
        detections: DenseDetections,
        det_index: NDArray[np.int64],
    ) -> None:
        """Score the detections of one image and category.

        Args:
            image_id: Image.
            category_id: Category.
            detections: The result list.
            det_index: (D,) positions in it.
        """
        boxes_xywh, scores = detections.boxes_xywh[det_index], detections.scores[det_index]
        load_map = detections.iuv
        persons = self.truth.persons.get((image_id, category_id), [])
        persons, kept, maps = self._apply_regions(
            image_id, persons, det_index, boxes_xywh, load_map
        )
        self.num_dropped_by_region += len(det_index) - len(kept)
        order = kept[np.argsort(-scores[kept], kind="mergesort")]
        self.num_beyond_limit += max(len(order) - MAX_DETECTIONS, 0)
        order = order[:MAX_DETECTIONS]
        pairs = self._pairs(image_id, category_id, persons, det_index[order], scores[order],
                            boxes_xywh[order])  # fmt: skip
        if not len(order) and not persons:
            return
        masks: NDArray[np.float64] | None = None
        if len(order) and persons:
            loaded = [maps.get(int(k)) for k in det_index[order]]
            iuvs = [
                load_map(int(k)) if iuv is None else iuv
                for k, iuv in zip(det_index[order], loaded, strict=True)
            ]
            if self.with_masks:
                masks = self._mask_overlaps(image_id, persons, boxes_xywh[order], iuvs, pairs)
            self._read_points(persons, boxes_xywh[order], det_index[order], iuvs)
        self._waiting.append((pairs, masks))
        if self._batch is not None and self._batch.num_waiting > _CHUNK_READINGS:
            self._flush()

    def _read_points(
        self,
        persons: list[PersonTruth],
        boxes_xywh: NDArray[np.float64],
        det_index: NDArray[np.int64],
        maps: Sequence[IuvMap],
    ) -> None:
        """Read the detections of an image at the points of its persons, if GPS is asked for."""
        if self._batch is not None and self._vertices is not None:
            # Persons without points are ignored: their GPS is 0 in the official matrix too.
            vertices = [self._vertices.of(p) for p in persons]
            points = place_points(persons, vertices, self.protocol)
            readings = self.reader(points, boxes_xywh, det_index, maps, self.protocol)
            self._batch.add_image(points, len(det_index), readings)

    def finish(self) -> list[ImagePairs]:
        """Complete what waits and hand everything over.

        Returns:
            One entry per image and category with persons or detections.
        """
        self._flush()
        done, self._done = self._done, []
        return done

    def _apply_regions(
        self,
        image_id: int,
        persons: list[PersonTruth],
        det_index: NDArray[np.int64],
        boxes_xywh: NDArray[np.float64],
        load_map: Callable[[int], IuvMap],
    ) -> tuple[list[PersonTruth], NDArray[np.int64], dict[int, IuvMap]]:
        """Leave out what lies in ignore regions; also return the maps that were loaded for it."""
        everything = np.arange(len(det_index))
        image = self.truth.images[image_id]
        loose = self.protocol.loose_ignore_regions
        annotated = any((image_id, c) in self.truth.persons for c in self.truth.categories)
        region = ignore_region_mask(image)
        if region is None or (loose and not annotated):
            return persons, everything, {}
        persons = [p for p in persons if keeps_person(p.box_xywh, region, loose=loose)]
        maps = {int(k): load_map(int(k)) for k in det_index}
        kept = [
            d
            for d, k in enumerate(det_index.tolist())
            if self._keeps_detection(boxes_xywh[d], maps[k], region)
        ]
        return persons, np.array(kept, dtype=np.int64), maps

    def _keeps_detection(
        self, box_xywh: NDArray[np.float64], iuv: IuvMap, region: NDArray[np.uint8]
    ) -> bool:
        """Whether a detection stays beside the ignore regions (H, W) of its image."""
        return keeps_detection(box_xywh, iuv, region, loose=self.protocol.loose_ignore_regions)

    def _pairs(
        self,
        image_id: int,
        category_id: int,
        persons: list[PersonTruth],
        det_index: NDArray[np.int64],
        scores: NDArray[np.float64],
        boxes_xywh: NDArray[np.float64],
    ) -> ImagePairs:
        crowd = np.array([p.is_crowd for p in persons], dtype=bool)
        ignored = np.array([not p.has_points for p in persons], dtype=bool)
        if not self.protocol.crowd_is_ordinary:
            ignored |= crowd
        boxes = np.array([p.box_xywh for p in persons]).reshape(-1, 4)
        return ImagePairs(
            image_id=image_id,
            category_id=category_id,
            det_index=det_index,
            det_scores=scores,
            det_areas=boxes_xywh[:, 2] * boxes_xywh[:, 3],
            gt_ids=np.array([p.annotation_id for p in persons], dtype=np.int64),
            gt_areas=np.array([p.area for p in persons], dtype=np.float64),
            gt_ignored=ignored,
            gt_crowd=crowd,
            box_iou=box_iou_matrix(boxes_xywh, boxes, crowd),
        )

    def _mask_overlaps(
        self,
        image_id: int,
        persons: list[PersonTruth],
        boxes_xywh: NDArray[np.float64],
        maps: Sequence[IuvMap],
        pairs: ImagePairs,
    ) -> NDArray[np.float64]:
        image = self.truth.images[image_id]
        drops = self.protocol.zoom_drops_last_line
        truths = [
            truth_mask(p, image, drops_last_line=drops, name=self.truth.name) for p in persons
        ]
        if self.with_true_masks:
            return true_mask_iou_matrix(truths, boxes_xywh, image)
        dets = [detection_mask(m, box, image) for m, box in zip(maps, boxes_xywh, strict=True)]
        return mask_iou_matrix(dets, truths, pairs.gt_crowd)

    def _flush(self) -> None:
        scored = iter(self._batch.finish() if self._batch is not None else [])
        for pairs, masks in self._waiting:
            shape = (len(pairs.det_index), len(pairs.gt_ids))
            iou = np.zeros(shape) if masks is None else masks
            has_readings = self._batch is not None and 0 not in shape
            gps = next(scored) if has_readings else dict.fromkeys(self.normalisers, np.zeros(shape))
            for metric in self.metrics:
                for normaliser in self.normalisers:
                    name = metric_prefix(metric, normaliser)
                    value = gps[normaliser] if metric == "gps" else iou
                    if metric == "gpsm":
                        value = np.sqrt(iou * gps[normaliser])
                    pairs.similarities[name] = value
            self._done.append(pairs)
        self._waiting = []


def score_detections(
    truth: DensePoseTruth,
    detections: DenseDetections,
    surface: SurfaceLike | None,
    *,
    metrics: Sequence[str] = METRICS,
    normalisers: Sequence[str] = (PER_PART,),
    protocol: str | DensePoseProtocol = "official",
    reader: MapReader = read_maps,
    with_true_masks: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[ImagePairs], list[str]]:
    """Compute the similarity matrices of a result list.

    Args:
        truth: Ground truth.
        detections: Results; every one of them must be usable (see ``problems``).
        surface: Body surface; may be None for ``metrics=("iou",)``.
        metrics: Some of ``"gps"``, ``"gpsm"``, ``"iou"``.
        normalisers: Some of ``"per_part"``, ``"global"``.
        protocol: Name or protocol.
        reader: How detections are read at annotated points.
        with_true_masks: Give every detection the person's mask inside its box (oracle).
        progress: Called with (images done, images in all).

    Returns:
        Pairs and notes on what was left out.

    Raises:
        ValueError: Results are unusable; all of them are named, up to ten.
    """
    check_detections(detections, truth)
    scorer = PairScorer(
        truth,
        surface,
        metrics=metrics,
        normalisers=normalisers,
        protocol=protocol,
        reader=reader,
        with_true_masks=with_true_masks,
    )
    scorer.add_all(detections, progress)
    return scorer.finish(), [*detections.notes, *truth.notes, *_counts(scorer, detections)]


def _counts(scorer: PairScorer, detections: DenseDetections) -> list[str]:
    flat = np.flatnonzero((detections.boxes_xywh[:, 2:] < 1).any(axis=1))
    entries = ", ".join(str(k) for k in flat[:8])
    counts = (
        (
            scorer.num_beyond_limit,
            f"detections beyond the {MAX_DETECTIONS} best of their image and category "
            "(not evaluated)",
        ),
        (scorer.num_dropped_by_region, "detections inside ignore regions (left out)"),
        (
            len(flat),
            "detections with a box under one pixel wide or high (no point lies in them, "
            f"they match nothing): entries {entries}",
        ),
    )
    return [f"{count} {text}" for count, text in counts if count]


def check_detections(detections: DenseDetections, truth: DensePoseTruth) -> None:
    """Refuse results that cannot be evaluated.

    Args:
        detections: Results.
        truth: Ground truth.

    Raises:
        ValueError: Names the first ten of them.
    """
    problems = detections.problems(truth)
    if problems:
        shown = "\n  ".join(text for _, text in problems[:10])
        more = f"\n  and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ValueError(f"{detections.name}: {len(problems)} unusable entries:\n  {shown}{more}")


def check_names(given: Sequence[str], known: Sequence[str], what: str) -> None:
    """Refuse unknown or missing names.

    Args:
        given: Names asked for.
        known: Names there are.
        what: What they are, for the message.

    Raises:
        ValueError: A name is unknown, or none is given.
    """
    unknown = [name for name in given if name not in known]
    if isinstance(given, str) or unknown or not given:
        raise ValueError(f"{what} must be some of {tuple(known)}, got {given!r}")
