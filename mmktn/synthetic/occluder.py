"""Things that stand in front of people: posts, boards, boxes, bushes, balls.

An occluder is a flat shape at one depth. Whether it covers an image point is decided by its outline
alone, at any resolution, so the labels stay exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmktn.synthetic.noise import blend, fractal_noise, random_color


@dataclass
class Occluder:
    """A flat textured shape.

    Attributes:
        centre: (2,) image pixels.
        half_size: (2,) half width and half height before rotation, image pixels.
        angle: rotation, radians.
        power: outline |x|^power + |y|^power <= 1: 2 is an ellipse, large is a box.
        ripple: amplitude of the waves on the outline, relative to the size; 0 for none.
        phase: of the waves.
        depth: metres along the optical axis.
        colors: (2, 3) RGB in [0, 1], mixed by noise.
    """

    centre: NDArray[np.float64]
    half_size: NDArray[np.float64]
    angle: float
    power: float
    ripple: float
    phase: float
    depth: float
    colors: NDArray[np.float32]

    def covers(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether image points lie inside the outline.

        Args:
            x: x of the points, image pixels, any shape.
            y: y of the points, same shape.

        Returns:
            bool, same shape.
        """
        dx, dy = x - self.centre[0], y - self.centre[1]
        c, s = np.cos(self.angle), np.sin(self.angle)
        along = np.abs((c * dx + s * dy) / self.half_size[0])
        across = np.abs((c * dy - s * dx) / self.half_size[1])
        radius = (along**self.power + across**self.power) ** (1 / self.power)
        if self.ripple == 0:
            return radius <= 1
        turn = np.arctan2(dy, dx)
        waves = np.sin(7 * turn + self.phase) + 0.6 * np.sin(17 * turn + 2 * self.phase)
        return radius <= 1 + self.ripple * waves

    def paint(self, shape_hw: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the texture (H, W, 3) of the shape, in image coordinates."""
        noise = fractal_noise(shape_hw, rng, cells=12, octaves=4, persistence=0.7)
        return blend(self.colors[0], self.colors[1], noise)


def random_occluder(
    rng: np.random.Generator,
    *,
    shape_hw: tuple[int, int],
    target: NDArray[np.float64],
    depth: float,
) -> Occluder:
    """Draw an occluder that partly covers a box.

    Args:
        rng: random source.
        shape_hw: rows and columns of the image.
        target: (4,) x0, y0, x1, y1 of the person to be covered in part, image pixels.
        depth: metres; nearer than that person.

    Returns:
        The occluder.
    """
    low, high = target[:2], target[2:]
    size = np.maximum(high - low, 4.0)
    kind = rng.integers(4)
    colors = np.stack([random_color(rng), random_color(rng)])
    if kind == 0:  # a post or tree trunk
        half = np.array([rng.uniform(0.05, 0.14) * size[0] + 2, shape_hw[0]])
        centre = np.array([rng.uniform(low[0], high[0]), shape_hw[0] * rng.uniform(0.2, 0.9)])
        return Occluder(centre, half, rng.normal(0, 0.04), 12.0, 0.0, 0.0, depth, colors)
    if kind == 1:  # a wall, table or board that hides the lower body
        top = rng.uniform(low[1] + 0.5 * size[1], high[1] - 0.1 * size[1])
        half = np.array([rng.uniform(0.4, 1.5) * size[0], 0.5 * size[1]])
        centre = np.array([rng.uniform(low[0], high[0]), top + half[1]])
        return Occluder(centre, half, rng.normal(0, 0.03), 14.0, 0.0, 0.0, depth, colors)
    centre = low + size * rng.uniform(0.1, 0.9, 2)
    half = size * rng.uniform(0.1, 0.28, 2) + 2
    if kind == 2:  # a bush
        ripple, phase = rng.uniform(0.05, 0.12), rng.uniform(0, 6.3)
        green = random_color(rng, saturation=(0.4, 0.9)) * np.array([0.6, 1.2, 0.5], np.float32)
        colors = np.stack([green * 0.4, green])
        return Occluder(centre, half * 1.3, 0.0, 2.0, ripple, phase, depth, colors)
    power = float(rng.choice([2.0, 10.0]))  # a ball, bag or box
    return Occluder(centre, half, rng.uniform(-0.5, 0.5), power, 0.0, 0.0, depth, colors)
