"""What a left-right mirror does to labels and maps, as tables that the surface gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[Any]
FlipUV: TypeAlias = Callable[[Values, Values, Values], tuple[Values, Values]]


@dataclass(frozen=True)
class FlipRules:
    """What a left-right mirror does to labels; the tables come from `mmktn.surface.symmetry`.

    Attributes:
        chart_flip: (25,) chart -> chart of the mirrored person.
        coarse_flip: (15,) coarse part -> mirrored part.
        keypoint_flip: (K,) keypoint -> mirrored keypoint.
        flip_uv: `(charts, u, v) -> (u', v')` with the charts *before* the swap; None where no table
            is known, and then annotations with points cannot be flipped.
        vertex_mirrors: Name of a mesh -> (K,) vertex of the mirrored body; for annotations that
            name vertices.
    """

    chart_flip: NDArray[np.int64]
    coarse_flip: NDArray[np.int64]
    keypoint_flip: NDArray[np.int64]
    flip_uv: FlipUV | None
    vertex_mirrors: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
