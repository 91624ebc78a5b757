"""Where the persons of an image are: their segmentations drawn into one small map.

Background is what lies outside all persons; the teacher sees its person alone. A person without a
segmentation falls back to the union of its dp_masks, then to "unknown" in its box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmktn.formats.masks import merge_dp_masks, segmentation_mask

BACKGROUND, PERSON, OTHER, UNKNOWN = 0, 1, 2, 255


def person_mask(
    instance: Mapping[str, Any], image_hw: tuple[int, int]
) -> tuple[NDArray[np.bool_], bool]:
    """Draw the pixels of a person.

    Args:
        instance: `bbox` xyxy; `mask` (segmentation) or `dp_masks` where there are any.
        image_hw: Size of the image.

    Returns:
        (H, W) bool, and whether it is the person's outline; else it is just the box.

    Raises:
        ValueError: A field does not decode; the text names it.
    """
    if instance.get("mask") is not None:
        try:
            return segmentation_mask(instance["mask"], image_hw).astype(bool), True
        except ValueError as error:
            raise ValueError(f"segmentation: {error}") from error
    if instance.get("dp_masks") is not None:
        try:
            return _pasted_masks(instance["dp_masks"], instance["bbox"], image_hw), True
        except ValueError as error:
            raise ValueError(f"dp_masks: {error}") from error
    mask = np.zeros(image_hw, dtype=bool)
    x1, y1, x2, y2 = instance["bbox"]
    rows = slice(max(int(np.floor(y1)), 0), max(int(np.ceil(y2)), 0))
    mask[rows, max(int(np.floor(x1)), 0) : max(int(np.ceil(x2)), 0)] = True
    return mask, False


def _pasted_masks(
    dp_masks: Any, box_xyxy: Sequence[float], image_hw: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the union of the part masks of a box, nearest, in the image."""
    parts = merge_dp_masks(dp_masks)
    x1, y1, x2, y2 = (float(value) for value in box_xyxy)
    scale = np.array([(x2 - x1) / parts.shape[1], (y2 - y1) / parts.shape[0]])
    matrix = np.zeros((2, 3))
    matrix[:, :2] = np.diag(scale)
    matrix[:, 2] = np.array([x1, y1]) + scale / 2 - 0.5  # indices, centres at index + 0.5
    size_wh = (image_hw[1], image_hw[0])
    return (
        cv2.warpAffine((parts > 0).astype(np.uint8), matrix, size_wh, flags=cv2.INTER_NEAREST) > 0
    )


def draw_person_map(
    instances: Sequence[Mapping[str, Any]],
    others: Sequence[Mapping[str, Any]],
    image_hw: tuple[int, int],
) -> NDArray[np.uint8]:
    """Draw the persons of an item and the others of its image.

    Args:
        instances: Persons of the item; crowds (`ignore_flag`) among them are unknown.
        others: Further persons of the image.
        image_hw: Size of the image.

    Returns:
        (H, W) uint8: 0 background, 1 a person of the item, 2 another person, 255 unknown (crowds,
        boxes of persons without an outline). Persons of the item lie on top.

    Raises:
        ValueError: See `person_mask`; the annotation is named.
    """
    canvas = np.zeros(image_hw, dtype=np.uint8)
    layers: list[tuple[int, NDArray[np.bool_]]] = []
    for value, people in ((PERSON, instances), (OTHER, others)):
        for instance in people:
            try:
                mask, outline = person_mask(instance, image_hw)
            except ValueError as error:
                raise ValueError(
                    f"annotation id {instance.get('ann_id')}, field {error}"
                ) from error
            sure = outline and not instance.get("ignore_flag", 0)
            layers.append((value if sure else UNKNOWN, mask))
    for value in (UNKNOWN, OTHER, PERSON):
        for kind, mask in layers:
            if kind == value:
                canvas[mask] = value
    return canvas
