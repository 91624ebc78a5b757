"""What a system found in one picture, whoever ran it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class FoundPeople:
    """The people of one picture as a network gave them, in any order.

    Attributes:
        boxes_xyxy: (N, 4) float32, image pixels.
        scores: (N,) float32.
        densepose: N results, `ChartResult` or `ChartArrays`; empty of a system of keypoints alone.
        further: What else was found, by name, each with one entry per person.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    densepose: list[Any]
    further: dict[str, Any] = field(default_factory=dict)
