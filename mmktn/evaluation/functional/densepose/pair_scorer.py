"""Similarity matrices of detections and persons, image by image.

The evidence of an image is gathered at once (`image_evidence`); look-ups of distances wait until
there are many, so memory holds one chunk of them and the small matrices.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.matching import ImagePairs
from mmktn.evaluation.functional.ap.protocol import (
    MAX_DETECTIONS,
    DensePoseProtocol,
    densepose_protocol,
)
from mmktn.evaluation.functional.densepose.gps import (
    NORMALISERS,
    PER_PART,
    ChartGps,
    MapReader,
    metric_prefix,
    read_maps,
)
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.image_evidence import (
    GpsSource,
    ImageEvidence,
    ImageGatherer,
    KeepsDetection,
)
from mmktn.evaluation.functional.densepose.surface_like import SurfaceLike
from mmktn.evaluation.functional.masks.ignore_regions import keeps_detection
from mmktn.formats.dense_detections import DenseDetections

METRICS = ("gps", "gpsm", "iou")
_GPS_METRICS = frozenset({"gps", "gpsm"})

_CHUNK_READINGS = 500_000


class PairScorer:
    """Turn detections and persons of one image after the other into similarity matrices.

    Args:
        truth: Ground truth.
        gps: Where GPS comes from; needed unless only ``"iou"`` is asked for.
        metrics: Some of ``"gps"``, ``"gpsm"``, ``"iou"``.
        protocol: Name or protocol.
        with_true_masks: Give every detection the person's mask inside its box (oracle).
        keeps: Which detections stay beside ignore regions.

    Attributes:
        gatherer: Gathers what one image gives, and counts what it left out.

    Raises:
        ValueError: A name is unknown, or GPS is asked for without a source.
    """

    def __init__(
        self,
        truth: DensePoseTruth,
        gps: GpsSource | None,
        *,
        metrics: Sequence[str] = METRICS,
        protocol: str | DensePoseProtocol = "official",
        with_true_masks: bool = False,
        keeps: KeepsDetection = keeps_detection,
    ) -> None:
        check_names(metrics, METRICS, "metric")
        if not _GPS_METRICS & set(metrics):
            gps = None
        elif gps is None:
            raise ValueError("metrics gps and gpsm need a body surface; none was given")
        self.truth = truth
        self.metrics = tuple(metrics)
        self.gatherer = ImageGatherer(
            truth,
            densepose_protocol(protocol),
            gps,
            with_masks=bool({"gpsm", "iou"} & set(metrics)),
            with_true_masks=with_true_masks,
            keeps=keeps,
        )
        self._gps = gps
        self._waiting: list[ImageEvidence] = []
        self._num_waiting = 0
        self._done: list[ImagePairs] = []

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
        evidence = self.gatherer.gather(image_id, category_id, detections, det_index)
        if evidence is None:
            return
        self._waiting.append(evidence)
        if evidence.readings is not None:
            self._num_waiting += evidence.readings.num_waiting
        if self._num_waiting > _CHUNK_READINGS:
            self._score_waiting()

    def finish(self) -> list[ImagePairs]:
        """Complete what waits and hand everything over.

        Returns:
            One entry for each image and category with persons or detections.
        """
        self._score_waiting()
        done, self._done = self._done, []
        return done

    def _score_waiting(self) -> None:
        """Look up the distances of all that waits, and fill its matrices."""
        waiting, self._waiting, self._num_waiting = self._waiting, [], 0
        read = [evidence for evidence in waiting if evidence.readings is not None]
        found = [] if self._gps is None else self._gps.look_up([e.readings for e in read])
        for evidence, gps in zip(read, found, strict=True):
            self._fill(evidence, gps)
        normalisers = (PER_PART,) if self._gps is None else self._gps.normalisers
        for evidence in waiting:
            if evidence.readings is None:
                nothing = np.zeros(evidence.mask_iou.shape)
                self._fill(evidence, dict.fromkeys(normalisers, nothing))
        self._done += [evidence.pairs for evidence in waiting]

    def _fill(self, evidence: ImageEvidence, gps: dict[str, NDArray[np.float64]]) -> None:
        """Fill the matrices of an image; ``gps`` names a (D, G) matrix for each normaliser."""
        for metric in self.metrics:
            for normaliser, matrix in gps.items():
                value = matrix if metric == "gps" else evidence.mask_iou
                if metric == "gpsm":
                    value = np.sqrt(evidence.mask_iou * matrix)
                evidence.pairs.similarities[metric_prefix(metric, normaliser)] = value


def chart_scorer(
    truth: DensePoseTruth,
    surface: SurfaceLike | None,
    *,
    metrics: Sequence[str] = METRICS,
    normalisers: Sequence[str] = (PER_PART,),
    protocol: str | DensePoseProtocol = "official",
    reader: MapReader = read_maps,
    with_true_masks: bool = False,
) -> PairScorer:
    """Make a scorer of detections that name charts.

    Args:
        truth: Ground truth.
        surface: Body surface; needed unless only ``"iou"`` is asked for.
        metrics: Some of ``"gps"``, ``"gpsm"``, ``"iou"``.
        normalisers: Some of ``"per_part"``, ``"global"``.
        protocol: Name or protocol.
        reader: How detections are read at annotated points.
        with_true_masks: Give every detection the person's mask inside its box (oracle).

    Returns:
        The scorer.

    Raises:
        ValueError: A name is unknown, or the surface is missing.
    """
    check_names(normalisers, NORMALISERS, "normaliser")
    rules = densepose_protocol(protocol)
    gps = None if surface is None else ChartGps(truth, surface, rules, normalisers, reader)
    return PairScorer(truth, gps, metrics=metrics, protocol=rules, with_true_masks=with_true_masks)


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
    scorer = chart_scorer(
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
            scorer.gatherer.num_beyond_limit,
            f"detections beyond the {MAX_DETECTIONS} best of their image and category "
            "(not evaluated)",
        ),
        (scorer.gatherer.num_dropped_by_region, "detections inside ignore regions (left out)"),
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
