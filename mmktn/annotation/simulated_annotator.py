"""An annotator made of noise, to try the measurement of annotator error on rendered images.

The noise model is this project's (no source has one): the annotator finds the view in which the
point is seen most frontally, clicks beside it by a normally distributed distance that is a fixed
share of the picture, and now and then confuses left and right. Views of all parts fill their
pictures, so errors in metres grow with the size of the part, as the paper reports them (about 2 cm
on small parts, 7 cm on the torso).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.annotator_error import vertex_parts
from mmktn.annotation.part_views import PartViews
from mmktn.surface.body_surface import BodySurface
from mmktn.surface.mesh import SurfaceMesh


@dataclass(frozen=True)
class AnnotatorNoise:
    """How an annotator errs.

    Attributes:
        click: Standard deviation of a click in each direction, as a share of the picture's side.
        side_confusion: Probability that a point is put on the mirrored place of the body.
    """

    click: float = 0.03
    side_confusion: float = 0.01

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: A negative deviation or no probability.
        """
        if self.click < 0 or not 0 <= self.side_confusion <= 1:
            raise ValueError(
                f"click={self.click} must be >= 0, side_confusion={self.side_confusion} in 0..1"
            )


class SimulatedAnnotator:
    """Places points as `AnnotatorNoise` says.

    Args:
        surface: Body with a mesh; with `side_confusion` also its mirror map.
        views: Coarse part -> its views; called once per part, when it is first met.
        noise: How it errs.
    """

    def __init__(
        self,
        surface: BodySurface,
        views: Callable[[int], PartViews],
        *,
        noise: AnnotatorNoise | None = None,
    ) -> None:
        self.noise = noise or AnnotatorNoise()
        self._mesh = cast("SurfaceMesh", surface.require("mesh").mesh)
        self._mirror = surface.vertex_mirror
        if self.noise.side_confusion:
            surface.require("vertex_mirror")
        self._make_views = views
        self._views: dict[int, PartViews] = {}
        self._parts = vertex_parts(surface)

    def annotate(
        self, vertices: NDArray[np.int64], *, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Place points.

        Args:
            vertices: (S,) true mesh vertices.
            rng: Source of the noise.

        Returns:
            (S,) mesh vertices where they were put.
        """
        placed = np.array([self._click(int(v), rng) for v in vertices], dtype=np.int64)
        confused = rng.random(len(placed)) < self.noise.side_confusion
        if self._mirror is None:
            return placed
        return np.where(confused, self._mirror[placed], placed)

    def _click(self, vertex: int, rng: np.random.Generator) -> int:
        """Return the click on one vertex; one beside the part goes to the nearest pixel of it."""
        views = self._views_of(int(self._parts[vertex]))
        position, normal = self._mesh.vertices[vertex], self._mesh.vertex_normals[vertex]
        places, seen = views.find(position)
        towards = views.projections[:, 2, :3] @ normal
        view = int(np.argmax(np.where(seen, towards, towards - 2)))
        x, y = places[view] + rng.normal(0, self.noise.click * views.size, 2)
        rows, columns = np.nonzero(views.chart[view])
        distance = np.hypot(columns + 0.5 - x, rows + 0.5 - y)
        nearest = int(np.argmin(distance))
        return int(views.vertex[view, rows[nearest], columns[nearest]])

    def _views_of(self, part: int) -> PartViews:
        if part not in self._views:
            self._views[part] = self._make_views(part)
        return self._views[part]
