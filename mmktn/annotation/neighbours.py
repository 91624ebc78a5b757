"""Does a point fit those placed around it? Distances along the skin against distances in the photo.

Points that are near in the photo and of one part are near on the body, up to foreshortening. A
point that is far from its neighbours on the body, while its mirror image is near them, has its
sides confused. The annotation page warns by this rule, the doctor for labels ranks by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mmktn.surface.body_surface import BodySurface

NEIGHBOURS = 5
LEAST_GAP_M = 0.05
"""Below this no point is called misplaced: annotators are 2 to 7 cm off."""
RATIO = 1.4
"""How many times further than expected, and `LEAST_GAP_M` more, a point must be from its
neighbours: of the points of the simulated annotator 99.5 % are nearer than 1.25 times."""
SIDE_RATIO = 1.0
"""The same where another place fits better."""
GAIN = 0.5
"""How much nearer another place must be, to be taken for the right one."""


@dataclass(frozen=True)
class NeighbourDistances:
    """How far a place on the body lies from the neighbours of a point of the photo.

    Attributes:
        neighbours: (K,) indices of the neighbours, nearest in the photo first.
        pixels: (K,) their distance in the photo.
        skin_m: (K,) their distance along the skin.
        misfit_m: Median of `skin_m`; nan without neighbours.
        expected_m: What the person's scale makes of the distance in the photo; nan if unknown.
    """

    neighbours: NDArray[np.int64]
    pixels: NDArray[np.float64]
    skin_m: NDArray[np.float64]
    misfit_m: float
    expected_m: float

    def is_far(self, ratio: float = RATIO) -> bool:
        """Tell whether the place is much further from the neighbours than the photo lets expect."""
        return bool(self.misfit_m > ratio * self.expected_m + LEAST_GAP_M)


@dataclass(frozen=True)
class PlacedPoints:
    """The points of one person that have a place on the body.

    Attributes:
        xy: (P, 2) in the photo, pixels.
        parts: (P,) part that each shows in the photo.
        vertices: (P,) mesh vertex where it was put.
        surface: The body, with distances.
    """

    xy: NDArray[np.float64]
    parts: NDArray[np.int64]
    vertices: NDArray[np.int64]
    surface: BodySurface

    def __len__(self) -> int:
        return len(self.xy)

    @cached_property
    def scale_m(self) -> float:
        """Metres along the skin for a pixel, median over nearest pairs; nan below three points."""
        ratios = []
        for index in range(len(self)):
            near = self._nearest(self.xy[index], int(self.parts[index]), index)[:2]
            pixels = np.linalg.norm(self.xy[near] - self.xy[index], axis=1)
            skin = self.surface.geodesics.distance(self.vertices[index], self.vertices[near])
            ratios += (skin[pixels > 0] / pixels[pixels > 0]).tolist()
        finite = [ratio for ratio in ratios if np.isfinite(ratio)]
        return float(np.median(finite)) if len(finite) > 2 else float("nan")

    def fit(
        self, xy: NDArray[np.float64], part: int, vertex: int, *, without: int | None = None
    ) -> NeighbourDistances:
        """Compare a place with the neighbours.

        Args:
            xy: (2,) point of the photo.
            part: Part that it shows.
            vertex: Mesh vertex, a place for it; -1 for none.
            without: Index of the point itself, if it is among these.

        Returns:
            The comparison.
        """
        near = self._nearest(xy, part, without)
        pixels = np.linalg.norm(self.xy[near] - xy, axis=1)
        skin = self.surface.geodesics.distance(vertex, self.vertices[near])
        if not len(near):
            return NeighbourDistances(near, pixels, skin, float("nan"), float("nan"))
        expected = self.scale_m * float(np.median(pixels))
        return NeighbourDistances(near, pixels, skin, float(np.median(skin)), expected)

    def sides_confused(
        self, xy: NDArray[np.float64], part: int, vertex: int, *, without: int | None = None
    ) -> bool:
        """Whether the mirror image of a place fits the neighbours, and the place itself does not.

        Arguments as in `fit`. False where the body has no mirror map.
        """
        mirror = self.surface.vertex_mirror
        if mirror is None or vertex < 0:
            return False
        own = self.fit(xy, part, vertex, without=without)
        if len(own.neighbours) < 2:
            return False
        other = self.fit(xy, part, int(mirror[vertex]), without=without)
        # Without a scale (the first points of a person) the mirror image alone decides.
        far = own.is_far(SIDE_RATIO) or (np.isnan(own.expected_m) and own.misfit_m > LEAST_GAP_M)
        return bool(far and other.misfit_m < GAIN * own.misfit_m)

    def _nearest(
        self, xy: NDArray[np.float64], part: int, without: int | None
    ) -> NDArray[np.int64]:
        """Find the nearest points of the part; of all parts where it has fewer than two."""
        usable = self.vertices >= 0
        if without is not None:
            usable = usable & (np.arange(len(self)) != without)
        own = usable & (self.parts == part)
        chosen = np.flatnonzero(own if own.sum() >= 2 else usable)
        order = np.argsort(np.linalg.norm(self.xy[chosen] - xy, axis=1), kind="stable")
        return np.asarray(chosen[order[:NEIGHBOURS]], np.int64)
