"""Which of the people that a detector found are one person seen twice.

Suppression by boxes keeps a person's upper body beside the whole person: their boxes overlap too
little. Their charts tell: a pixel shows one person only, and the pixels of the upper body are those
of the whole person.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmktn.formats.chart_arrays import ChartMaps


def distinct_people(
    results: Sequence[ChartMaps], scores: NDArray[np.floating], max_overlap: float
) -> NDArray[np.bool_]:
    """Keep the best-scored of people who are painted on the same pixels.

    Args:
        results: N results of one image.
        scores: (N,) of them.
        max_overlap: Share of a person's body pixels, 0 to 1, that one better person who is kept may
            cover.

    Returns:
        (N,) which stay. A person without body pixels covers nobody and stays.
    """
    bodies = [result.arrays().labels > 0 for result in results]
    keep = np.zeros(len(bodies), dtype=bool)
    for i in np.argsort(-np.asarray(scores), kind="stable"):
        limit = max_overlap * bodies[i].sum()
        keep[i] = all(
            _shared(bodies[i], results[i].xy, bodies[j], results[j].xy) <= limit
            for j in np.flatnonzero(keep)
        )
    return keep


def _shared(
    one: NDArray[np.bool_],
    one_xy: tuple[int, int],
    other: NDArray[np.bool_],
    other_xy: tuple[int, int],
) -> int:
    """Count the pixels that two masks share; the top left ones lie at `xy` of an image."""
    left, top = (max(a, b) for a, b in zip(one_xy, other_xy, strict=True))
    right, bottom = (
        min(xy[axis] + mask.shape[1 - axis] for mask, xy in ((one, one_xy), (other, other_xy)))
        for axis in (0, 1)
    )
    if right <= left or bottom <= top:
        return 0
    parts = (
        mask[top - y : bottom - y, left - x : right - x]
        for mask, (x, y) in ((one, one_xy), (other, other_xy))
    )
    return int(np.count_nonzero(next(parts) & next(parts)))
