"""Pixels that show nobody, drawn as examples of background (DensePose, section 3.1).

Fully convolutional systems have no separate map for the body: their chart classifier must learn
background, as many points of it as there are annotated points.
"""

import torch
from torch import Tensor

from mmktn.models.targets.chart_targets import ChartTargets


def add_background_points(
    targets: ChartTargets, background: Tensor, *, ratio: float = 1.0
) -> ChartTargets:
    """Draw background pixels, in each image in proportion to its annotated points.

    Args:
        targets: Targets of N inputs, one RoI each that covers it.
        background: (N, H, W) bool, pixels of the inputs that certainly show nobody.
        ratio: Background points per annotated point; an image without points gets as many as the
            mean image, so that it counts too.

    Returns:
        Targets with the points added, at the centres of pixels. Fewer where an image has not so
        many such pixels.
    """
    counts = torch.bincount(targets.roi_index, minlength=len(targets)).float()
    mean = counts.sum() / max(int((counts > 0).sum()), 1)
    wanted = (torch.where(counts > 0, counts, mean) * ratio).round().long().tolist()
    index, points = [], []
    for image, count in enumerate(wanted):
        free = background[image].flatten().nonzero()[:, 0]
        if not count or not len(free):
            continue
        # Drawn with replacement: a permutation of all pixels costs more than a rare repetition.
        drawn = free[torch.randint(len(free), (count,), device=free.device)]
        width = background.shape[-1]
        points.append(torch.stack((drawn % width, drawn // width), dim=1) + 0.5)
        index.append(torch.full_like(drawn, image))
    if not index:
        return targets
    return targets.with_background(torch.cat(index), torch.cat(points))
