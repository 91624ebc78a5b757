"""What the metrics need of a body surface, as protocols; ``mmktn.surface.BodySurface`` has it."""

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray


class SurfaceLike(Protocol):
    """What the metric needs of a body surface; ``mmktn.surface.BodySurface`` has it."""

    @property
    def atlas(self) -> "AtlasLike":
        """Charts of the surface."""

    @property
    def geodesics(self) -> "GeodesicsLike":
        """Distances on the surface."""


def surface_note(surface: SurfaceLike | None) -> list[str]:
    """Sentence for scores that were measured on another surface than DensePose's own, if so."""
    name = getattr(surface, "name", "")
    if not name or getattr(surface, "official", False):
        return []
    return [f"measured on the surface {name!r}: comparable only with scores on the same surface"]


class AtlasLike(Protocol):
    """Nearest-vertex look-ups in the charts."""

    mesh_vertex: NDArray[np.int64]

    def nearest_vertex(self, charts: ArrayLike, u: ArrayLike, v: ArrayLike) -> NDArray[np.int64]:
        """Return the nearest atlas vertex, -1 off the charts."""

    def nearest_vertex_uint8(
        self, charts: ArrayLike, u: ArrayLike, v: ArrayLike
    ) -> NDArray[np.int64]:
        """Return the same for bytes."""


class GeodesicsLike(Protocol):
    """Distances between mesh vertices."""

    def distance(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.floating]:
        """Return the metres between mesh vertices a and b."""
