"""Persons of a whole image: detections painted over each other, and the true ones.

The code of the DensePose paper's IoU is not published. The painter of the pictures decides which
person is on top, so that the score is that of the pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth, ImageInfo
from mmktn.evaluation.functional.masks.mask_iou import person_mask
from mmktn.formats.dense_detections import IuvMap
from mmktn.formats.iuv_canvas import paint_people


@dataclass(frozen=True)
class ForegroundCount:
    """Pixels of one image that prediction and ground truth call a person.

    Attributes:
        shared: Both do.
        union: One of them does.
    """

    shared: int
    union: int


def paint(
    boxes_xywh: NDArray[np.float64],
    scores: NDArray[np.float64],
    maps: Sequence[IuvMap],
    image: ImageInfo,
) -> NDArray[np.uint8]:
    """Paint detections into an image, the best score on top, the first of equal ones.

    Args:
        boxes_xywh: (D, 4) boxes.
        scores: (D,) scores.
        maps: D maps.
        image: Size of the image.

    Returns:
        (3, H, W) I, 255 U, 255 V; 0 on the background.
    """
    corners = np.trunc(np.asarray(boxes_xywh, dtype=np.float64).reshape(-1, 4)[:, :2])
    sizes = np.array([(m.shape[2], m.shape[1]) for m in maps], dtype=np.float64).reshape(-1, 2)
    return paint_people(
        (image.height, image.width),
        np.concatenate([corners, corners + sizes], axis=1),
        iuvs=maps,
        scores=scores,
    ).iuv


def truth_foreground(truth: DensePoseTruth, image_id: int) -> NDArray[np.bool_]:
    """Return the union of the persons of an image: segmentations, part masks where there is none.

    Args:
        truth: Ground truth.
        image_id: Image.

    Returns:
        (H, W) bool.
    """
    image = truth.images[image_id]
    canvas = np.zeros((image.height, image.width), dtype=bool)
    for category in truth.categories:
        for person in truth.persons.get((image_id, category), []):
            mask = person_mask(person, image, name=truth.name)
            h, w = mask.mask.shape
            canvas[mask.y : mask.y + h, mask.x : mask.x + w] |= mask.mask
    return canvas


def count_foreground(painted: NDArray[np.uint8], true_mask: NDArray[np.bool_]) -> ForegroundCount:
    """Compare painted persons with true ones.

    Args:
        painted: (3, H, W) painted detections.
        true_mask: (H, W) bool.
    """
    mask = painted[0] > 0
    return ForegroundCount(
        int(np.count_nonzero(mask & true_mask)), int(np.count_nonzero(mask | true_mask))
    )
