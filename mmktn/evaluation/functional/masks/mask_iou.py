"""Person masks of annotations and detections, cropped to where they are, and their overlap.

Source: official evaluator (masks of boxes are pasted at the integer corner). Masks are kept as
crops with an offset instead of full images, so the cost follows the person's size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.densepose.ground_truth import ImageInfo, PersonTruth
from mmktn.evaluation.functional.masks.part_masks import merged_part_masks, resize_part_mask
from mmktn.formats import masks
from mmktn.formats.dense_detections import IuvMap, result_hw
from mmktn.utils.user_error import UserError


@dataclass(frozen=True)
class CroppedMask:
    """Binary mask of an image that is empty outside a rectangle.

    Attributes:
        x: Left column of the rectangle.
        y: Top row of the rectangle.
        mask: (h, w) bool inside it.
        area: Pixels set.
    """

    x: int
    y: int
    mask: NDArray[np.bool_]
    area: int

    @classmethod
    def build(cls, mask: NDArray[np.bool_], x: int = 0, y: int = 0) -> "CroppedMask":
        """Make one and count its pixels.

        Args:
            mask: (h, w) bool.
            x: Left column.
            y: Top row.
        """
        return cls(x, y, mask, int(np.count_nonzero(mask)))

    def full(self, height: int, width: int) -> NDArray[np.bool_]:
        """Write the mask into an image.

        Args:
            height: Pixels.
            width: Pixels.

        Returns:
            (height, width) bool.
        """
        image = np.zeros((height, width), dtype=bool)
        h, w = self.mask.shape
        image[self.y : self.y + h, self.x : self.x + w] = self.mask
        return image


def paste_mask(
    mask: NDArray[np.bool_], box_xywh: NDArray[np.float64], image: ImageInfo
) -> CroppedMask:
    """Place a box's mask in the image as the official evaluator does.

    Args:
        mask: (h, w) bool.
        box_xywh: (4,) box in image pixels.
        image: Size of the image.

    Returns:
        The part inside box and image, at the truncated corner.
    """
    x, y, w, h = box_xywh.tolist()
    left, top = int(x), int(y)
    x0, x1 = max(left, 0), min(int(x + w), image.width, left + mask.shape[1])
    y0, y1 = max(top, 0), min(int(y + h), image.height, top + mask.shape[0])
    if x1 <= x0 or y1 <= y0:
        return CroppedMask(0, 0, np.zeros((0, 0), dtype=bool), 0)
    return CroppedMask.build(mask[y0 - top : y1 - top, x0 - left : x1 - left], x0, y0)


def truth_mask(
    person: PersonTruth, image: ImageInfo, *, drops_last_line: bool = True, name: str = "truth"
) -> CroppedMask:
    """Mask of an annotated person in the image.

    dp_masks where the annotation has them, otherwise its segmentation (polygons, RLE with list
    or string counts), otherwise empty.

    Args:
        person: The annotation.
        image: Size of its image.
        drops_last_line: As in ``resize_part_mask``.
        name: Used in messages.

    Returns:
        The mask.

    Raises:
        ValueError: A mask cannot be decoded.
    """
    where = person.place(name)
    if person.part_masks is not None:
        grid = merged_part_masks(person.part_masks, where)
        width, height = (round(max(v, 1.0)) for v in person.box_xywh[2:].tolist())
        mask = resize_part_mask(grid, height, width, drops_last_line=drops_last_line)
        return paste_mask(mask, person.box_xywh, image)
    if not person.segmentation:
        return CroppedMask(0, 0, np.zeros((0, 0), dtype=bool), 0)
    return crop_to_content(segmentation_mask(person.segmentation, image, where))


def person_mask(person: PersonTruth, image: ImageInfo, *, name: str = "truth") -> CroppedMask:
    """Return the whole person in the image: its segmentation, dp_masks where it has none.

    Args:
        person: The annotation.
        image: Size of its image.
        name: Used in messages.

    Returns:
        The mask.

    Raises:
        ValueError: A mask cannot be decoded.
    """
    if not person.segmentation:
        return truth_mask(person, image, name=name)
    where = person.place(name)
    return crop_to_content(segmentation_mask(person.segmentation, image, where))


def segmentation_mask(segmentation: Any, image: ImageInfo, where: str) -> NDArray[np.uint8]:
    """Decode a COCO segmentation.

    Args:
        segmentation: Polygons or RLE.
        image: Size of the image.
        where: Annotation, for the message.

    Returns:
        (H, W) uint8 0 or 1.

    Raises:
        UserError: It cannot be decoded, or is of another size.
    """
    try:
        return masks.segmentation_mask(segmentation, (image.height, image.width))
    except UserError as error:
        raise UserError(f"{where}, field segmentation: {error}") from error


def crop_to_content(mask: NDArray[np.uint8]) -> CroppedMask:
    """Cut a full-image mask down to the rectangle that holds its pixels.

    Args:
        mask: (H, W) binary.

    Returns:
        The crop.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return CroppedMask(0, 0, np.zeros((0, 0), dtype=bool), 0)
    strip = mask[rows[0] : rows[-1] + 1]
    cols = np.flatnonzero(strip.any(axis=0))
    crop = strip[:, cols[0] : cols[-1] + 1].astype(bool)
    return CroppedMask.build(crop, int(cols[0]), int(rows[0]))


def detection_mask(iuv: IuvMap, box_xywh: NDArray[np.float64], image: ImageInfo) -> CroppedMask:
    """Mask of a detection in the image: every pixel with a chart.

    Args:
        iuv: (3, h, w) map.
        box_xywh: (4,) box in image pixels.
        image: Size of the image.

    Returns:
        The mask.
    """
    return paste_mask(iuv[0] > 0, box_xywh, image)


def mask_iou_matrix(
    detections: Sequence[CroppedMask],
    persons: Sequence[CroppedMask],
    crowd: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Compute the overlap of masks; for a crowd the share of the detection that lies in it.

    Args:
        detections: D masks.
        persons: G masks.
        crowd: (G,) COCO's iscrowd.

    Returns:
        (D, G) overlap, 0 where nothing is shared.
    """
    overlap = np.zeros((len(detections), len(persons)))
    for d, det in enumerate(detections):
        if not det.area:
            continue
        for g, person in enumerate(persons):
            shared = _shared_pixels(det, person)
            if shared:
                union = det.area if crowd[g] else det.area + person.area - shared
                overlap[d, g] = shared / union
    return overlap


def true_mask_iou_matrix(
    persons: Sequence[CroppedMask], boxes_xywh: NDArray[np.float64], image: ImageInfo
) -> NDArray[np.float64]:
    """Compute the overlap if every detection had the person's mask inside its own box.

    Args:
        persons: G masks.
        boxes_xywh: (D, 4) detection boxes.
        image: Size of the image.

    Returns:
        (D, G) share of the person's mask that lies in the box.
    """
    overlap = np.zeros((len(boxes_xywh), len(persons)))
    for d, box in enumerate(boxes_xywh):
        whole = np.ones(result_hw(box), dtype=bool)
        window = paste_mask(whole, box, image)
        for g, person in enumerate(persons):
            if person.area:
                overlap[d, g] = _shared_pixels(window, person) / person.area
    return overlap


def _shared_pixels(a: CroppedMask, b: CroppedMask) -> int:
    (ha, wa), (hb, wb) = a.mask.shape, b.mask.shape
    x0, x1 = max(a.x, b.x), min(a.x + wa, b.x + wb)
    y0, y1 = max(a.y, b.y), min(a.y + ha, b.y + hb)
    if x1 <= x0 or y1 <= y0:
        return 0
    part_a = a.mask[y0 - a.y : y1 - a.y, x0 - a.x : x1 - a.x]
    part_b = b.mask[y0 - b.y : y1 - b.y, x0 - b.x : x1 - b.x]
    return int(np.count_nonzero(part_a & part_b))


def box_iou_matrix(
    detections_xywh: NDArray[np.float64],
    persons_xywh: NDArray[np.float64],
    crowd: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Compute the overlap of boxes; for a crowd the share of the detection that lies in it.

    Args:
        detections_xywh: (D, 4) boxes.
        persons_xywh: (G, 4) boxes.
        crowd: (G,) COCO's iscrowd.

    Returns:
        (D, G) overlap.
    """
    det, person = detections_xywh[:, None], persons_xywh[None]
    low = np.maximum(det[..., :2], person[..., :2])
    high = np.minimum(det[..., :2] + det[..., 2:], person[..., :2] + person[..., 2:])
    size = high - low
    shared = np.where((size > 0).all(axis=-1), size[..., 0] * size[..., 1], 0.0)
    area_d, area_p = det[..., 2] * det[..., 3], person[..., 2] * person[..., 3]
    union = np.where(crowd, area_d, area_d + area_p - shared)
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
