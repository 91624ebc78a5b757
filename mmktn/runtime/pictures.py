"""Pictures as the networks want them: resized, normalised and padded, or cut around a person."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np


def rescale(image: np.ndarray, scale: Sequence[int]) -> np.ndarray:
    """Resize to fit into a long and a short side, the aspect kept (mmdet's Resize).

    Args:
        image: (H, W, 3) uint8.
        scale: The two sides, in any order.

    Returns:
        (h, w, 3) uint8.
    """
    height, width = image.shape[:2]
    factor = min(
        max(scale) / max(height, width),
        min(scale) / min(height, width),
    )
    size = (max(int(width * factor + 0.5), 1), max(int(height * factor + 0.5), 1))
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


def normalise(image: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
    """Bring values to those that a network was trained on.

    Args:
        image: (h, w, 3) uint8 BGR.
        settings: `mean` and `std` (3,) in the network's order, `rgb`: whether that is RGB.

    Returns:
        (3, h, w) float32.
    """
    ordered = image[..., ::-1] if settings["rgb"] else image
    mean, std = (np.asarray(settings[key], np.float32)[:, None, None] for key in ("mean", "std"))
    return (ordered.transpose(2, 0, 1).astype(np.float32) - mean) / std


def batch_of(pictures: Sequence[np.ndarray], divisor: int) -> np.ndarray:
    """Pad pictures (3, h, w) at the right and below to a common size that `divisor` divides.

    Returns:
        (B, 3, H, W) float32.
    """
    height, width = (
        math.ceil(max(picture.shape[side] for picture in pictures) / divisor) * divisor
        for side in (1, 2)
    )
    batch = np.zeros((len(pictures), 3, height, width), np.float32)
    for row, picture in zip(batch, pictures, strict=True):
        row[:, : picture.shape[1], : picture.shape[2]] = picture
    return batch


def crop_place(box_xyxy: np.ndarray, settings: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Centre and size of the part of the picture that the crop around a box shows.

    Args:
        box_xyxy: (4,) float32, image pixels.
        settings: `crop` of the manifest: `padding`, `size` (w, h).

    Returns:
        Centre (2,) and scale (2,), image pixels, x before y.
    """
    width, height = settings["size"]
    scale = (box_xyxy[2:] - box_xyxy[:2]) * settings["padding"]
    centre = (box_xyxy[2:] + box_xyxy[:2]) * 0.5
    w, h = scale
    aspect = width / height
    scale = np.array([w, w / aspect] if w > h * aspect else [h * aspect, h])
    return centre, scale


def crop(
    image: np.ndarray, centre: np.ndarray, scale: np.ndarray, settings: Mapping[str, Any]
) -> np.ndarray:
    """Cut a crop out.

    Args:
        image: (H, W, 3) uint8.
        centre: As `crop_place` gives.
        scale: Likewise.
        settings: `crop` of the manifest. `indices`: coordinates are pixel indices (mmpose), else
            pixel centres lie at index + 0.5 (systems of dense pose).

    Returns:
        (h, w, 3) uint8.
    """
    width, height = settings["size"]
    if settings["indices"]:
        source = np.array([centre, centre - [scale[0] / 2, 0]], dtype=np.float32)
        target = np.array([[width / 2, height / 2], [0, height / 2]], dtype=np.float32)
        three = [np.vstack([pair, _turned(*pair)]).astype(np.float32) for pair in (source, target)]
        matrix = cv2.getAffineTransform(*three)
    else:
        factor = width / float(scale[0])
        middle = np.array([width / 2, height / 2]) - factor * centre.astype(np.float64)
        shift = factor * 0.5 + middle - 0.5
        matrix = np.array([[factor, 0, shift[0]], [0, factor, shift[1]]])
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)


def _turned(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the third corner of a right angle at `second`."""
    way = first - second
    return second + np.array([-way[1], way[0]])
