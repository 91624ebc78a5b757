"""How far two annotators are apart, over the body: the picture that adjudication starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.annotator_error import interpolate_over_surface
from mmktn.surface.body_surface import BodySurface


@dataclass(frozen=True)
class Disagreement:
    """What two sets of places of the same points differ by.

    Attributes:
        distances_m: (P,) along the skin.
        vertices_m: (V,) the same spread over the body, mean over both ends of each pair.
        mean_m: Mean of `distances_m`.
    """

    distances_m: NDArray[np.float64]
    vertices_m: NDArray[np.float64]
    mean_m: float


def measure_disagreement(
    first: Sequence[int], second: Sequence[int], surface: BodySurface
) -> Disagreement:
    """Compare two annotators on the same points.

    Args:
        first: (P,) mesh vertices of one.
        second: (P,) of the other.
        surface: Body with distances.

    Returns:
        The comparison.

    Raises:
        ValueError: No points, or lists of different length.
    """
    ends = [np.asarray(vertices, dtype=np.int64) for vertices in (first, second)]
    if len(ends[0]) != len(ends[1]) or not len(ends[0]):
        raise ValueError(f"disagreement: {len(ends[0])} and {len(ends[1])} places, need as many")
    geodesics = surface.geodesics
    distances = geodesics.distance(*ends)
    spread = interpolate_over_surface(
        np.concatenate(ends), np.concatenate([distances, distances]), geodesics
    )
    return Disagreement(distances, spread, float(distances.mean()))
