"""Body and part maps of the detections of one image, and what they cover of its persons.

Maps lie in the integer box of their detection (docs/conventions.md, frame 5). Labels are compared
where two boxes overlap; nothing of image size is built.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.densepose.ground_truth import PersonTruth
from mmktn.evaluation.functional.masks.part_masks import NUM_PART_MASKS, merged_part_labels
from mmktn.formats.dense_detections import result_hw

LabelMap = NDArray[np.uint8]
NUM_LABELS = NUM_PART_MASKS + 1


@dataclass
class SegmentationDetections:
    """D detections of one image, in any order.

    Attributes:
        image_id: Image.
        boxes_xywh: (D, 4) boxes in image pixels.
        scores: (D,) scores.
        maps: D maps (h, w) of labels, 0 background.
        category_ids: (D,) categories.
        name: Used in messages.
    """

    image_id: int
    boxes_xywh: NDArray[np.float64]
    scores: NDArray[np.float64]
    maps: Sequence[LabelMap]
    category_ids: NDArray[np.int64]
    name: str = "results"

    def __post_init__(self) -> None:
        """Check that everything fits.

        Raises:
            ValueError: Lengths differ, a number is not finite, or a map does not have the size of
                its box.
        """
        lengths = [len(self.boxes_xywh), len(self.scores), len(self.maps), len(self.category_ids)]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"{self.name}: {lengths[0]} boxes, {lengths[1]} scores, {lengths[2]} maps, "
                f"{lengths[3]} categories"
            )
        if not (np.isfinite(self.boxes_xywh).all() and np.isfinite(self.scores).all()):
            raise ValueError(f"{self.name}: a box or score is not finite")
        for k, (box, labels) in enumerate(zip(self.boxes_xywh, self.maps, strict=True)):
            if labels.shape != result_hw(box):
                raise ValueError(
                    f"{self.name}: map {k} is {labels.shape}, its box {box.tolist()} needs "
                    f"{result_hw(box)}"
                )

    def best(self, category_id: int, limit: int) -> NDArray[np.int64]:
        """Return the positions of the best detections of a category, best first."""
        found = np.flatnonzero(self.category_ids == category_id)
        return found[np.argsort(-self.scores[found], kind="mergesort")][:limit]


@dataclass(frozen=True)
class PlacedLabels:
    """A label map at its place in the image.

    Attributes:
        x: Left column.
        y: Top row.
        labels: (h, w) labels 0..14.
    """

    x: int
    y: int
    labels: LabelMap

    @classmethod
    def of_box(cls, labels: LabelMap, box_xywh: NDArray[np.float64]) -> "PlacedLabels":
        """Put the map of a box at the truncated corner of the box."""
        return cls(int(box_xywh[0]), int(box_xywh[1]), labels)

    def areas(self) -> NDArray[np.int64]:
        """Return (15,) pixels of each label."""
        return np.bincount(self.labels.ravel(), minlength=NUM_LABELS)


def true_parts(person: PersonTruth, name: str) -> PlacedLabels:
    """Return the parts of an annotated person in the integer box.

    Args:
        person: Annotation with dp_masks.
        name: Used in messages.

    Returns:
        Its label map; each pixel shows the cell of the 256 grid under its centre.

    Raises:
        ValueError: A mask cannot be decoded.
    """
    grid = merged_part_labels(
        person.part_masks if person.part_masks is not None else [], person.place(name)
    )
    rows, columns = (
        ((np.arange(size) + 0.5) * side / size).astype(np.int64)
        for size, side in zip(result_hw(person.box_xywh), grid.shape, strict=True)
    )
    return PlacedLabels.of_box(grid[rows[:, None], columns], person.box_xywh)


def joint_histogram(truth: PlacedLabels, detection: PlacedLabels) -> NDArray[np.int64]:
    """Count pairs of true and detected label where both maps lie.

    Args:
        truth: True map.
        detection: Detected map.

    Returns:
        (15, 15) pixels, true label first.
    """
    (hg, wg), (hd, wd) = truth.labels.shape, detection.labels.shape
    x0, x1 = max(truth.x, detection.x), min(truth.x + wg, detection.x + wd)
    y0, y1 = max(truth.y, detection.y), min(truth.y + hg, detection.y + hd)
    if x1 <= x0 or y1 <= y0:
        return np.zeros((NUM_LABELS, NUM_LABELS), dtype=np.int64)
    true = truth.labels[y0 - truth.y : y1 - truth.y, x0 - truth.x : x1 - truth.x]
    found = detection.labels[
        y0 - detection.y : y1 - detection.y, x0 - detection.x : x1 - detection.x
    ]
    code = true.astype(np.int64) * NUM_LABELS + found
    return np.bincount(code.ravel(), minlength=NUM_LABELS**2).reshape(NUM_LABELS, NUM_LABELS)
