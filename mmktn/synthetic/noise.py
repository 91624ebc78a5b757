"""Random fields and colours that backgrounds and garments are made of.

Fractal noise is a sum of smoothly enlarged random grids, each octave with half the cell size and
half the amplitude.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def resized(
    image: NDArray[np.float32], shape_hw: tuple[int, int], interpolation: int = cv2.INTER_LINEAR
) -> NDArray[np.float32]:
    """OpenCV's resize with rows and columns in the project's order."""
    return np.asarray(
        cv2.resize(image, shape_hw[::-1], interpolation=interpolation), dtype=np.float32
    )


def blurred(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Return the gaussian blur by `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.float32)


def fractal_noise(
    shape_hw: tuple[int, int],
    rng: np.random.Generator,
    *,
    cells: float = 3.0,
    octaves: int = 5,
    persistence: float = 0.55,
) -> NDArray[np.float32]:
    """Smooth noise in [0, 1].

    Args:
        shape_hw: rows and columns.
        rng: random source.
        cells: blobs across the longer side in the first octave.
        octaves: number of octaves.
        persistence: amplitude of an octave relative to the one before.

    Returns:
        (H, W) float32, stretched to the full range 0..1.
    """
    height, width = shape_hw
    total = np.zeros(shape_hw, np.float32)
    for octave in range(octaves):
        scale = cells * 2**octave / max(shape_hw)
        grid = rng.random(
            (max(2, round(height * scale) + 1), max(2, round(width * scale) + 1)), np.float32
        )
        smooth = resized(grid, shape_hw, cv2.INTER_CUBIC)
        total += smooth * persistence**octave
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def hsv(hue: float, saturation: float, value: float) -> NDArray[np.float32]:
    """Return the RGB colour (3,) in [0, 1] from hue, saturation and value in [0, 1]."""
    sector = (hue % 1.0) * 6.0
    offsets = np.abs(np.array([sector - 3.0, sector - 2.0, sector - 4.0]))
    full = np.clip(np.array([offsets[0] - 1.0, 2.0 - offsets[1], 2.0 - offsets[2]]), 0, 1)
    return (value * (1 - saturation + saturation * full)).astype(np.float32)


def random_color(
    rng: np.random.Generator, *, saturation: tuple[float, float] = (0.0, 0.9)
) -> NDArray[np.float32]:
    """Return a colour (3,) in [0, 1]; dark ones and gaudy ones are rarer than in a uniform draw."""
    low, high = saturation
    value = 0.08 + 0.9 * rng.random() ** 0.7
    return hsv(rng.random(), low + (high - low) * rng.random() ** 1.4, value)


def natural_color(rng: np.random.Generator) -> NDArray[np.float32]:
    """A muted colour (3,) in [0, 1] of earth, plants, walls or sky; now and then any colour."""
    if rng.random() < 0.2:
        return random_color(rng)
    hue = float(rng.choice([0.07, 0.11, 0.28, 0.58])) + rng.normal(0, 0.03)
    return hsv(hue, 0.55 * rng.random() ** 1.3, rng.uniform(0.35, 1.0))


def blend(
    first: NDArray[np.float32], second: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Mix two colours (3,) or images by a weight map: 0 gives the first, 1 the second."""
    w = weight[..., None]
    return first * (1 - w) + second * w
