"""Which pixels of a prediction become annotated points: the samplers of bootstrapping.

Source: the samplers of detectron2's DensePose bootstrapping (uniform and by confidence, so many of
each chart). Departures: the surest pixels are those of the largest confidence, whatever map it
comes from, and pixels of the whole person can be drawn without regard to charts.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Sampler = Literal["uniform", "chart", "confidence"]
SAMPLERS: tuple[str, ...] = get_args(Sampler)


def draw_pixels(
    charts: NDArray[np.integer],
    confidence: NDArray[np.floating] | None = None,
    *,
    sampler: Sampler,
    rng: np.random.Generator,
    count: int = 196,
    per_chart: int = 8,
    pool: float = 4.0,
) -> NDArray[np.int64]:
    """Draw some of a person's pixels, none twice.

    Args:
        charts: (P,) chart of each pixel, 1..24.
        confidence: (P,), large is sure; read by 'confidence' alone.
        sampler: 'uniform': `count` of all pixels, each with the same chance; 'chart': `per_chart`
            of each chart, each with the same chance; 'confidence': `per_chart` of each chart, among
            its surest `pool * per_chart` ones.
        rng: Draws.
        count: Points of a person, with 'uniform'.
        per_chart: Points of a chart, with the others; fewer where it has fewer pixels.
        pool: At least 1, which takes the surest pixels themselves.

    Returns:
        (N,) ascending indices into the pixels.

    Raises:
        ValueError: An unknown sampler, 'confidence' without one, or a pool below 1.
    """
    if sampler == "uniform":
        return np.sort(rng.choice(len(charts), min(count, len(charts)), replace=False))
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler={sampler!r}: expected one of {', '.join(SAMPLERS)}")
    if sampler == "confidence" and (confidence is None or pool < 1):
        raise ValueError(f"sampler 'confidence': needs confidences and pool >= 1, not {pool}")
    parts: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    for chart in np.unique(charts):
        of_chart = np.flatnonzero(charts == chart)
        if sampler == "confidence" and confidence is not None:
            order = np.argsort(-confidence[of_chart], kind="stable")
            of_chart = of_chart[order[: round(pool * per_chart)]]
        parts.append(rng.choice(of_chart, min(per_chart, len(of_chart)), replace=False))
    return np.sort(np.concatenate(parts))
