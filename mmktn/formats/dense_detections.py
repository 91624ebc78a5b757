"""Dense-pose detections as columns: what every metric reads, however the results were stored.

Source: official result format (image_id, category_id, bbox xywh, score, uint8 map of I, 255 U, 255
V per box). Maps are handed out one at a time, so compressed storage stays compressed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

IuvMap = NDArray[np.uint8]


class KnownFile(Protocol):
    """Ground truth, of which detections must name images and categories.

    Attributes:
        images: By id.
        categories: By id.
    """

    @property
    def images(self) -> Mapping[int, Any]:  # noqa: D102 - an attribute
        ...

    @property
    def categories(self) -> Mapping[int, str]:  # noqa: D102 - an attribute
        ...


@dataclass
class DenseDetections:
    """N detections in the order of the result list.

    Attributes:
        image_ids: (N,) image ids.
        category_ids: (N,) category ids.
        boxes_xywh: (N, 4) boxes in image pixels.
        scores: (N,) scores.
        load_map: Index to its (3, h, w) uint8 map of I, 255 U, 255 V in the integer box.
        notes: Sentences on what reading left out.
        name: File or list name used in messages.
    """

    image_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    boxes_xywh: NDArray[np.float64]
    scores: NDArray[np.float64]
    load_map: Callable[[int], IuvMap]
    notes: list[str] = field(default_factory=list)
    name: str = "results"

    def __len__(self) -> int:
        """Number of detections."""
        return len(self.scores)

    @classmethod
    def from_maps(
        cls,
        image_ids: Sequence[int] | NDArray[np.int64],
        boxes_xywh: Sequence[Sequence[float]] | NDArray[np.float64],
        *,
        scores: Sequence[float] | NDArray[np.float64],
        maps: Sequence[IuvMap],
        category_ids: int | Sequence[int] | NDArray[np.int64],
        name: str = "results",
    ) -> "DenseDetections":
        """Take over maps that are in memory.

        Args:
            image_ids: N image ids.
            boxes_xywh: (N, 4) boxes in image pixels.
            scores: N scores.
            maps: N maps (3, h, w) uint8.
            category_ids: N category ids of the annotation file, or one for all.
            name: Used in messages.

        Returns:
            The detections.

        Raises:
            ValueError: The lengths differ.
        """
        count = len(maps)
        categories = [category_ids] * count if isinstance(category_ids, int) else category_ids
        columns = {"image_ids": image_ids, "boxes": boxes_xywh, "scores": scores,
                   "category_ids": categories}  # fmt: skip
        lengths = {key: len(value) for key, value in columns.items()}
        if set(lengths.values()) != {count}:
            raise ValueError(f"{name}: {count} maps but {lengths}")
        return cls(
            np.asarray(image_ids, dtype=np.int64).reshape(count),
            np.asarray(categories, dtype=np.int64).reshape(count),
            np.asarray(boxes_xywh, dtype=np.float64).reshape(count, 4),
            np.asarray(scores, dtype=np.float64).reshape(count),
            load_map=maps.__getitem__,
            name=name,
        )

    def iuv(self, index: int) -> IuvMap:
        """Load one map and check it against its box.

        Args:
            index: Position in the result list.

        Returns:
            (3, h, w) uint8 with h = max(int(box h), 1), w = max(int(box w), 1).

        Raises:
            ValueError: Type or size is not that of the box.
        """
        iuv = self.load_map(index)
        expected = (3, *result_hw(self.boxes_xywh[index]))
        if iuv.dtype != np.uint8 or iuv.shape != expected:
            raise ValueError(
                f"{self.describe(index)}: map is {iuv.dtype} {iuv.shape}, the box "
                f"{self.boxes_xywh[index].tolist()} needs uint8 {expected}"
            )
        return iuv

    def describe(self, index: int) -> str:
        """Name one detection in a message."""
        return f"{self.name}: entry {index} (image {int(self.image_ids[index])})"

    def problems(self, truth: "KnownFile") -> list[tuple[int, str]]:
        """List the detections that cannot be evaluated.

        Args:
            truth: The ground truth.

        Returns:
            (position, sentence) for each of them.
        """
        checks = (
            (~np.isin(self.image_ids, list(truth.images)), "image_id is not in the ground truth"),
            (
                ~np.isin(self.category_ids, list(truth.categories)),
                f"category_id is not one of {sorted(truth.categories)}",
            ),
            (~np.isfinite(self.scores), "score is not a finite number"),
            (~np.isfinite(self.boxes_xywh).all(axis=1), "bbox is not finite"),
            ((self.boxes_xywh[:, 2:] < 0).any(axis=1), "bbox has a negative width or height"),
        )
        found = [
            (int(k), f"{self.describe(int(k))}: {text}; category {int(self.category_ids[k])}, "
             f"score {self.scores[k]}, bbox {self.boxes_xywh[k].tolist()}")
            for bad, text in checks
            for k in np.flatnonzero(bad)
        ]  # fmt: skip
        return sorted(found)

    def without(self, positions: Sequence[int], why: str) -> "DenseDetections":
        """Leave detections out and note it.

        Args:
            positions: Positions to leave out.
            why: Sentence for the notes.

        Returns:
            The others, in order.
        """
        keep = np.setdiff1d(np.arange(len(self)), positions)
        load = self.load_map
        return DenseDetections(
            self.image_ids[keep],
            self.category_ids[keep],
            self.boxes_xywh[keep],
            self.scores[keep],
            load_map=lambda k: load(int(keep[k])),
            notes=[*self.notes, f"{len(self) - len(keep)} detections left out: {why}"],
            name=self.name,
        )


def result_hw(box_xywh: NDArray[np.float64]) -> tuple[int, int]:
    """Size of the map of a box.

    Args:
        box_xywh: (4,) box in image pixels.

    Returns:
        (height, width) in pixels, at least 1.
    """
    return max(int(box_xywh[3]), 1), max(int(box_xywh[2]), 1)
