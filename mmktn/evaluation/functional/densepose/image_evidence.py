"""What the detections and persons of one image give: pairs, overlaps of masks, readings for GPS.

Source: official evaluator. GPS, GPSm and IoU share one reading of every map.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.matching import ImagePairs
from mmktn.evaluation.functional.ap.protocol import MAX_DETECTIONS, DensePoseProtocol
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth, PersonTruth
from mmktn.evaluation.functional.masks.ignore_regions import (
    ignore_region_mask,
    keeps_detection,
    keeps_person,
)
from mmktn.evaluation.functional.masks.mask_iou import (
    box_iou_matrix,
    detection_mask,
    mask_iou_matrix,
    true_mask_iou_matrix,
    truth_mask,
)
from mmktn.formats.dense_detections import DenseDetections, IuvMap


class GpsSource(Protocol):
    """Where the GPS of images comes from: of charts (`ChartGps`) or of vertices (`VertexGps`)."""

    normalisers: tuple[str, ...]

    def read(
        self,
        persons: Sequence[PersonTruth],
        boxes_xywh: NDArray[np.float64],
        det_index: NDArray[np.int64],
        maps: Sequence[IuvMap],
    ) -> Any:
        """Read one image; ``num_waiting`` of the readings says how many look-ups they await."""

    def look_up(self, images: Sequence[Any]) -> list[dict[str, NDArray[np.float64]]]:
        """Readings of images to one dictionary each: normaliser to (D, G) GPS."""


class KeepsDetection(Protocol):
    """Whether a detection stays beside the ignore regions of its image."""

    def __call__(
        self,
        box_xywh: NDArray[np.float64],
        iuv: IuvMap,
        region: NDArray[np.uint8],
        *,
        loose: bool,
    ) -> bool:
        """Decide for one detection."""


@dataclass(frozen=True)
class ImageEvidence:
    """What one image gives for one category.

    Attributes:
        pairs: Its detections and persons, without similarities.
        mask_iou: (D, G) overlaps of masks, 0 where none are wanted.
        readings: What `GpsSource.read` gave; None where nothing is to be read.
    """

    pairs: ImagePairs
    mask_iou: NDArray[np.float64]
    readings: Any


class ImageGatherer:
    """Gather the evidence of one image after the other.

    Args:
        truth: Ground truth.
        protocol: Rules.
        gps: Reads detections at annotated points; None where GPS is not wanted.
        with_masks: Compare masks.
        with_true_masks: Give every detection the person's mask inside its box (oracle).
        keeps: Which detections stay beside ignore regions.

    Attributes:
        num_dropped_by_region: Detections that were left out in ignore regions.
        num_beyond_limit: Detections that were left out because others had higher scores.
    """

    def __init__(
        self,
        truth: DensePoseTruth,
        protocol: DensePoseProtocol,
        gps: GpsSource | None,
        *,
        with_masks: bool,
        with_true_masks: bool = False,
        keeps: KeepsDetection = keeps_detection,
    ) -> None:
        self.truth = truth
        self.protocol = protocol
        self.gps = gps
        self.with_masks = with_masks
        self.with_true_masks = with_true_masks
        self.keeps = keeps
        self.num_dropped_by_region = 0
        self.num_beyond_limit = 0

    def gather(
        self,
        image_id: int,
        category_id: int,
        detections: DenseDetections,
        det_index: NDArray[np.int64],
    ) -> ImageEvidence | None:
        """Gather the evidence of one image and category.

        Args:
            image_id: Image.
            category_id: Category.
            detections: The result list.
            det_index: (D,) positions in it.

        Returns:
            The evidence; None where there is neither a detection nor a person.
        """
        boxes_xywh, scores = detections.boxes_xywh[det_index], detections.scores[det_index]
        persons = self.truth.persons.get((image_id, category_id), [])
        persons, kept, maps = self._apply_regions(
            image_id, persons, det_index, boxes_xywh, detections.iuv
        )
        self.num_dropped_by_region += len(det_index) - len(kept)
        order = kept[np.argsort(-scores[kept], kind="mergesort")]
        self.num_beyond_limit += max(len(order) - MAX_DETECTIONS, 0)
        order = order[:MAX_DETECTIONS]
        if not len(order) and not persons:
            return None
        det_index, boxes_xywh = det_index[order], boxes_xywh[order]
        pairs = self._pairs(image_id, category_id, persons, det_index, scores[order], boxes_xywh)
        mask_iou: NDArray[np.float64] = np.zeros((len(order), len(persons)))
        if not len(order) or not persons:
            return ImageEvidence(pairs, mask_iou, None)
        iuvs = [maps[k] if k in maps else detections.iuv(k) for k in det_index.tolist()]
        if self.with_masks:
            mask_iou = self._mask_overlaps(image_id, persons, boxes_xywh, iuvs, pairs)
        gps = self.gps
        readings = None if gps is None else gps.read(persons, boxes_xywh, det_index, iuvs)
        return ImageEvidence(pairs, mask_iou, readings)

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
            if self.keeps(boxes_xywh[d], maps[k], region, loose=loose)
        ]
        return persons, np.array(kept, dtype=np.int64), maps

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
