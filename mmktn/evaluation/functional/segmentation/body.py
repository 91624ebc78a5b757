"""Body segmentation: mask AP of the body that each detection shows inside its box.

Source: COCO's mask AP (100 detections per image, crowds ignored), which detectron2 applies to the
foreground of dense-pose results. Equal to ``COCOeval`` with ``iouType='segm'``.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.average_precision import Column, accumulate, columns
from mmktn.evaluation.functional.ap.matching import ImagePairs, MatchRules, match_images
from mmktn.evaluation.functional.ap.protocol import AREA_RANGES, similarity_thresholds
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.masks.mask_iou import mask_iou_matrix, paste_mask, person_mask
from mmktn.evaluation.functional.segmentation.labels import SegmentationDetections

MAX_MASKS = 100


def body_mask_pairs(truth: DensePoseTruth, detections: SegmentationDetections) -> list[ImagePairs]:
    """Mask overlaps of one image.

    Args:
        truth: Ground truth; the mask of a person is its segmentation, else its part masks.
        detections: Detections of one image; every label above 0 is the body.

    Returns:
        One entry per category with persons or detections.

    Raises:
        ValueError: The image is unknown, or a mask cannot be decoded.
    """
    if detections.image_id not in truth.images:
        raise ValueError(f"{detections.name}: image {detections.image_id} is not in {truth.name}")
    image = truth.images[detections.image_id]
    entries = []
    for category in truth.categories:
        persons = truth.persons.get((detections.image_id, category), [])
        best = detections.best(category, MAX_MASKS)
        if not len(best) and not persons:
            continue
        found = [
            paste_mask(detections.maps[k] > 0, detections.boxes_xywh[k], image)
            for k in best.tolist()
        ]
        true = [person_mask(person, image, name=truth.name) for person in persons]
        crowd = np.array([person.is_crowd for person in persons], dtype=bool)
        entries.append(
            ImagePairs(
                image_id=detections.image_id,
                category_id=category,
                det_index=best,
                det_scores=detections.scores[best],
                det_areas=np.array([mask.area for mask in found], dtype=np.float64),
                gt_ids=np.array([person.annotation_id for person in persons], dtype=np.int64),
                gt_areas=np.array([person.area for person in persons], dtype=np.float64),
                gt_ignored=crowd,
                gt_crowd=crowd,
                similarities={"iou": mask_iou_matrix(found, true, crowd)},
            )
        )
    return entries


def summarize_body_masks(
    pairs: Sequence[ImagePairs], categories: dict[int, str]
) -> dict[str, Column]:
    """Match and accumulate, however the pairs were gathered.

    Args:
        pairs: Entries of all images.
        categories: Category id to name.

    Returns:
        AP, AP50, AP75, APm, APl, AR, AR50, AR75, ARm, ARl.
    """
    thresholds: NDArray[np.float64] = similarity_thresholds()
    rules = MatchRules(thresholds, AREA_RANGES, id_zero_unmatched=False)
    ordered = sorted(pairs, key=lambda p: (p.category_id, p.image_id))
    curves = accumulate(
        ordered,
        match_images(ordered, ["iou"], rules),
        thresholds=thresholds,
        category_ids=sorted(categories),
        num_similarities=1,
    )
    return columns(curves, 0, category_names=categories)


def evaluate_body_masks(
    truth: DensePoseTruth, detections: Sequence[SegmentationDetections]
) -> dict[str, float]:
    """Score the detections of a set.

    Args:
        truth: Ground truth.
        detections: One entry per image; an image that is not listed is not evaluated.

    Returns:
        Column name to fraction, -1 where undefined.
    """
    pairs = [pair for each in detections for pair in body_mask_pairs(truth, each)]
    found = summarize_body_masks(pairs, truth.categories)
    return {name: column.value for name, column in found.items()}
