"""Image regions that are not evaluated (PoseTrack style).

Source: official evaluator. An annotation whose box lies in such a region by 0.7, or a detection
whose mask does by 0.9, is left out. ``loose_ignore_regions`` of the protocol keeps the official
gaps at image borders.
"""

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.densepose.ground_truth import ImageInfo
from mmktn.evaluation.functional.masks.mask_iou import paste_mask
from mmktn.formats.dense_detections import IuvMap
from mmktn.formats.masks import draw_polygons

BOX_SHARE = 0.7
MASK_SHARE = 0.9


def ignore_region_mask(image: ImageInfo) -> NDArray[np.uint8] | None:
    """Draw the ignore regions of an image.

    Args:
        image: Size and polygons.

    Returns:
        (H, W) uint8 0 or 1, or None without regions.
    """
    if not image.ignore_regions:
        return None
    polygons = [list(polygon) for polygon in image.ignore_regions]
    return draw_polygons(polygons, (image.height, image.width))


def keeps_person(box_xywh: NDArray[np.float64], region: NDArray[np.uint8], *, loose: bool) -> bool:
    """Tell whether an annotation stays.

    Args:
        box_xywh: (4,) its box.
        region: (H, W) ignore regions.
        loose: Follow the official evaluator where the box crosses the border.

    Returns:
        False if the box lies in the regions by 0.7 or has no area.
    """
    x, y, w, h = box_xywh.astype(np.int64).tolist()
    if w * h == 0:
        return False
    return bool(_crop(region, x, y, w, h, loose=loose).sum() / (w * h) < BOX_SHARE)


def keeps_detection(
    box_xywh: NDArray[np.float64], iuv: IuvMap, region: NDArray[np.uint8], *, loose: bool
) -> bool:
    """Tell whether a detection stays.

    Args:
        box_xywh: (4,) its box.
        iuv: (3, h, w) its map.
        region: (H, W) ignore regions.
        loose: Follow the official evaluator: a box across the border always stays.

    Returns:
        False if its mask lies in the regions by 0.9; officially also if the box has no area.
    """
    x, y, w, h = box_xywh.astype(np.int64).tolist()
    if not loose:
        mask = paste_mask(iuv[0] > 0, box_xywh, ImageInfo(region.shape[0], region.shape[1]))
        if not mask.area:
            return True
        rows, cols = mask.mask.shape
        inside = region[mask.y : mask.y + rows, mask.x : mask.x + cols].astype(bool)
        return bool(np.count_nonzero(inside & mask.mask) / mask.area < MASK_SHARE)
    if w * h == 0:
        return False
    crop = _crop(region, x, y, w, h, loose=True)
    mask = iuv[0] > 0
    if crop.shape != mask.shape or not mask.any():
        return True
    return bool(np.count_nonzero(crop.astype(bool) & mask) / np.count_nonzero(mask) < MASK_SHARE)


def _crop(
    region: NDArray[np.uint8], x: int, y: int, w: int, h: int, *, loose: bool
) -> NDArray[np.uint8]:
    right, bottom = min(x + w, region.shape[1]), min(y + h, region.shape[0])
    if loose:
        # Plain slices: a negative corner counts from the far side, as in the official evaluator.
        return region[y:bottom, x:right]
    return region[max(y, 0) : max(bottom, 0), max(x, 0) : max(right, 0)]
