"""Random backgrounds: plain, noise, clouds, meadow, room, street, photograph, blurred shapes.

All are (H, W, 3) float32 RGB in [0, 1] and hold no person. Some carry skin-coloured or limb-shaped
distractors, so that colour alone does not tell a person.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from mmktn.synthetic.noise import (
    blend,
    blurred,
    fractal_noise,
    natural_color,
    random_color,
    resized,
)
from mmktn.synthetic.surroundings import load_surroundings, photo_crop

Image = NDArray[np.float32]


def plain(shape_hw: tuple[int, int], rng: np.random.Generator, horizon: float) -> Image:
    """Return one colour, or a straight gradient between two."""
    height, width = shape_hw
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    ramp = np.cos(angle) * x / width + np.sin(angle) * y / height
    ramp = (ramp - ramp.min()) / max(float(np.ptp(ramp)), 1e-6)
    first = random_color(rng)
    second = first if rng.random() < 0.3 else random_color(rng)
    return blend(first, second, ramp.astype(np.float32))


def white_noise(shape_hw: tuple[int, int], rng: np.random.Generator, horizon: float) -> Image:
    """Return the coarse or fine coloured noise without structure."""
    cell = int(rng.integers(1, 9))
    small = rng.random((shape_hw[0] // cell + 1, shape_hw[1] // cell + 1, 3), np.float32)
    grain = resized(small, shape_hw)
    return random_color(rng) * (1 - 0.7) + 0.7 * grain


def clouds(shape_hw: tuple[int, int], rng: np.random.Generator, horizon: float) -> Image:
    """Return the fractal noise between three colours."""
    first = fractal_noise(shape_hw, rng, cells=rng.uniform(1, 6), octaves=6)
    second = fractal_noise(shape_hw, rng, cells=rng.uniform(2, 10), octaves=4)
    return blend(blend(random_color(rng), random_color(rng), first), random_color(rng), second**2)


def meadow(shape_hw: tuple[int, int], rng: np.random.Generator, horizon: float) -> Image:
    """Return the sky over textured ground, with a tree line and a few posts."""
    height, width = shape_hw
    sky_low, sky_high = natural_color(rng), np.array([0.45, 0.62, 0.88], np.float32)
    rows = np.linspace(1, 0, height, dtype=np.float32)[:, None].repeat(width, axis=1)
    image = blend(sky_low * 0.4 + 0.6, sky_high, rows)
    image = blend(
        image, np.array([1, 1, 1], np.float32), fractal_noise(shape_hw, rng, cells=3) ** 3
    )
    line = np.clip(horizon, 0.05, 0.95) * height
    trees = line - height * 0.22 * fractal_noise((1, width), rng, cells=8, octaves=6)[0]
    y = np.arange(height, dtype=np.float32)[:, None]
    leaves = fractal_noise(shape_hw, rng, cells=30, octaves=4)
    image[y > trees] = blend(natural_color(rng) * 0.25, natural_color(rng) * 0.7, leaves)[y > trees]
    ground = _receding_noise(shape_hw, line, rng)
    below = np.broadcast_to(y > line, shape_hw)
    image[below] = blend(natural_color(rng) * 0.5, natural_color(rng) * 0.9, ground)[below]
    return image


def room(shape_hw: tuple[int, int], rng: np.random.Generator, horizon: float) -> Image:
    """Return a wall with panels, pictures or shelves above a floor."""
    line = int(np.clip(horizon + rng.uniform(0.05, 0.3), 0.15, 0.97) * shape_hw[0])
    grain = fractal_noise(shape_hw, rng, cells=40, octaves=3)
    image = blend(natural_color(rng) * 0.9, natural_color(rng) * 0.9, grain * 0.25)
    _rectangles(image[:line], rng, count=int(rng.integers(2, 14)))
    floor = blend(
        natural_color(rng) * 0.8, natural_color(rng) * 0.8, _receding_noise(shape_hw, line, rng)
    )
    image[line:] = floor[line:]
    light = fractal_noise(shape_hw, rng, cells=1.5, octaves=2)
    return image * (0.75 + 0.5 * light[..., None])


def street(shape_hw: tuple[int, int], rng: np.random.Generator, horizon: float) -> Image:
    """Return the blocks with rows of windows above a road."""
    height, width = shape_hw
    image = np.tile(natural_color(rng) * 0.3 + 0.65, (height, width, 1))
    line = int(np.clip(horizon + rng.uniform(0.02, 0.15), 0.15, 0.97) * height)
    left = 0
    while left < width:
        right = left + int(rng.integers(width // 8, width // 2))
        top = int(line * rng.uniform(-0.4, 0.7))
        _facade(image, (left, max(top, 0), right, line), rng)
        left = right
    ground = _receding_noise(shape_hw, line, rng)
    grey = np.array([1, 1, 1], np.float32) * rng.uniform(0.2, 0.6)
    image[line:] = blend(grey * 0.8, grey * 1.2, ground)[line:]
    return image.astype(np.float32)


def blurred_shapes(shape_hw: tuple[int, int], rng: np.random.Generator, horizon: float) -> Image:
    """Ellipses and bars of all sizes, skin-coloured ones among them, more or less out of focus."""
    height, width = shape_hw
    image = clouds(shape_hw, rng, horizon)
    for _ in range(int(rng.integers(8, 30))):
        color = random_color(rng)
        if rng.random() < 0.25:
            color = np.array([0.85, 0.64, 0.5], np.float32) * rng.uniform(0.4, 1.1)
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        long, short = rng.uniform(0.03, 0.3) * height, rng.uniform(0.02, 0.1) * height
        angle = float(rng.uniform(0, 180))
        paint = tuple(float(c) for c in color)
        if rng.random() < 0.5:
            axes = (int(long), int(short))
            cv2.ellipse(image, centre, axes, angle, 0, 360, paint, -1, cv2.LINE_AA)
        else:
            corners = cv2.boxPoints((centre, (2 * long, 2 * short), angle)).astype(np.int32)
            cv2.fillConvexPoly(image, corners, paint, cv2.LINE_AA)
    return blurred(image, rng.uniform(0.5, 5.0))


def photograph(shape_hw: tuple[int, int], rng: np.random.Generator, horizon: float) -> Image:
    """Return the part of a photograph of something else."""
    photos = load_surroundings().photos
    return photo_crop(photos[int(rng.integers(len(photos)))], shape_hw, rng)


_KINDS: tuple[tuple[Callable[..., Image], float], ...] = (
    (plain, 0.1),
    (white_noise, 0.03),
    (clouds, 0.07),
    (photograph, 0.15),
    (meadow, 0.2),
    (room, 0.22),
    (street, 0.16),
    (blurred_shapes, 0.08),
)


def random_background(
    shape_hw: tuple[int, int], rng: np.random.Generator, *, horizon: float = 0.5
) -> Image:
    """Draw a background.

    Args:
        shape_hw: rows and columns.
        rng: random source.
        horizon: height of the horizon as a fraction of the rows, from the top; where ground and sky
            meet.

    Returns:
        (H, W, 3) float32 RGB in [0, 1].
    """
    weights = np.array([weight for _, weight in _KINDS])
    kind = _KINDS[int(rng.choice(len(_KINDS), p=weights / weights.sum()))][0]
    image = kind(shape_hw, rng, horizon)
    if rng.random() < 0.5:
        image = blurred(image, rng.uniform(0.4, 2.5))
    return np.clip(image, 0, 1).astype(np.float32)


def _receding_noise(
    shape_hw: tuple[int, int], line: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Ground texture in [0, 1], flat noise seen in perspective: coarse near, fine far away."""
    height, width = shape_hw
    size = 256
    texture = fractal_noise((size, size), rng, cells=12, octaves=5, persistence=0.7)
    if rng.random() < 0.35:
        tile = int(rng.integers(16, 48))
        y, x = np.mgrid[0:size, 0:size] // tile
        texture = 0.4 * texture + 0.6 * ((x + y) % 2).astype(np.float32)
    below = np.maximum(np.arange(height, dtype=np.float32) - line, 0.5)[:, None]
    near = 0.35 * height / below
    across = (np.arange(width, dtype=np.float32)[None] - width / 2) / width
    map_x = (across * near * size + 7.5 * size) % (size - 1)
    map_y = np.broadcast_to((near * size) % (size - 1), map_x.shape)
    maps = map_x.astype(np.float32), map_y.astype(np.float32)
    return np.asarray(cv2.remap(texture, *maps, cv2.INTER_LINEAR), np.float32)


def _rectangles(image: Image, rng: np.random.Generator, *, count: int) -> None:
    """Paint framed upright rectangles (pictures, doors, shelves) in place."""
    height, width = image.shape[:2]
    for _ in range(count):
        w, h = int(rng.uniform(0.05, 0.4) * width), int(rng.uniform(0.05, 0.6) * height)
        x, y = int(rng.uniform(-0.1, 1) * width), int(rng.uniform(-0.1, 1) * height)
        inner = slice(max(y, 0), max(y + h, 0)), slice(max(x, 0), max(x + w, 0))
        patch = image[inner]
        if patch.size == 0:
            continue
        if rng.random() < 0.4:
            noise = fractal_noise((patch.shape[0], patch.shape[1]), rng, cells=4, octaves=3)
            patch[:] = blend(random_color(rng), random_color(rng), noise)
        else:
            patch[:] = random_color(rng)
        frame = tuple(float(c) for c in random_color(rng) * 0.6)
        cv2.rectangle(image, (x, y), (x + w, y + h), frame, int(rng.integers(1, 4)))


def _facade(image: Image, box: tuple[int, int, int, int], rng: np.random.Generator) -> None:
    """Paint one building with a grid of windows in place."""
    left, top, right, bottom = box
    wall, glass = natural_color(rng), natural_color(rng) * 0.5
    patch = image[top:bottom, left:right]
    if patch.size == 0:
        return
    grain = fractal_noise((patch.shape[0], patch.shape[1]), rng, cells=20, octaves=3)
    patch[:] = blend(wall * 0.8, wall, grain)
    step_x, step_y = int(rng.integers(9, 26)), int(rng.integers(9, 30))
    fill = rng.uniform(0.35, 0.7)
    rows = (np.arange(patch.shape[0]) % step_y) < fill * step_y
    columns = (np.arange(patch.shape[1]) % step_x) < fill * step_x
    patch[np.ix_(rows, columns)] = glass * rng.uniform(0.6, 1.4)
