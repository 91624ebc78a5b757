"""The pinhole camera of the synthetic scenes.

World frame: metres, y up, the ground is y = 0. Camera frame: x right, y up, looking along -z of the
world when yaw and pitch are 0, so a person facing +z looks into the camera. Image frame: pixels, x
right, y down, 0 is the left (upper) edge of the first pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def rotation_about(axis: str, angle: float) -> np.ndarray:
    """Make the matrix (3, 3) that rotates by `angle` radians about an axis (right-hand rule)."""
    c, s = np.cos(angle), np.sin(angle)
    if axis == "x":
        return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    if axis == "y":
        return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


@dataclass
class Camera:
    """A camera above the ground.

    Attributes:
        focal: focal length in pixels.
        height: rows of the image.
        width: columns of the image.
        position: `(3,)` metres.
        yaw: turn to the left about the vertical, radians.
        pitch: upward tilt, radians (looking down is negative).
        roll: turn about the optical axis, radians.
    """

    focal: float
    height: int
    width: int
    position: np.ndarray
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    @property
    def rotation(self) -> np.ndarray:
        """`(3, 3)`, camera axes (right, up, backward) as columns in world coordinates."""
        turn = rotation_about("y", self.yaw) @ rotation_about("x", self.pitch)
        return turn @ rotation_about("z", self.roll)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project world points.

        Args:
            points: `(N, 3)` metres.

        Returns:
            `(N, 3)`: x, y in pixels and the depth along the optical axis in metres (negative behind
            the camera).
        """
        local = (points - self.position) @ self.rotation
        depth = -local[:, 2]
        safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
        x = self.width / 2 + self.focal * local[:, 0] / safe
        y = self.height / 2 - self.focal * local[:, 1] / safe
        return np.stack([x, y, depth], axis=1)

    def ray(self, x: float, y: float) -> np.ndarray:
        """Return the unit direction `(3,)` in the world of the ray through an image point."""
        local = np.array(
            [(x - self.width / 2) / self.focal, -(y - self.height / 2) / self.focal, -1.0]
        )
        direction = self.rotation @ local
        return direction / np.linalg.norm(direction)
