"""Keypoints of a file in the order of COCO's list, whatever list the file has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmktn.surface.parts import COCO_KEYPOINT_NAMES


def coco_keypoint_order(names: Sequence[str] | None) -> np.ndarray | None:
    """Tell where the 17 COCO keypoints are found among those of a file.

    Args:
        names: `keypoints` of the file's category.

    Returns:
        (17,) int64 positions, -1 for keypoints that the file lacks; None where the file has COCO's
        list already, or no list.
    """
    if not names or tuple(names) == COCO_KEYPOINT_NAMES:
        return None
    place = {name: position for position, name in enumerate(names)}
    return np.array([place.get(name, -1) for name in COCO_KEYPOINT_NAMES], dtype=np.int64)


def reordered_keypoints(keypoints: Any, order: np.ndarray) -> np.ndarray:
    """Bring keypoints of a record into COCO's order; those that it lacks are not labelled.

    Args:
        keypoints: 3 K numbers x, y, v.
        order: Of `coco_keypoint_order`.

    Returns:
        (51,) float32.
    """
    rows = np.asarray(keypoints, dtype=np.float32).reshape(-1, 3)
    return (rows[np.maximum(order, 0)] * (order >= 0)[:, None]).reshape(-1)
