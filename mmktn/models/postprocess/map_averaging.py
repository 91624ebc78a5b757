"""The mean of several predictions of the same boxes, as maps that the decoders read.

Source: test-time augmentation of detectron2's DensePose project, which averages all raw maps.
Departure: segmentations and keypoints are averaged as probabilities, so that a view with large
logits does not outvote the others.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmktn.structures import ChartOutput

_OVER_CHANNELS = ("fine_segm", "coarse_segm", "body_mask")


def mean_chart_output(outputs: Sequence[ChartOutput], *, uv_by_chart: bool = False) -> ChartOutput:
    """Average predictions of the same N boxes.

    Args:
        outputs: Views of equal shape with the same maps; mirrored ones turned back by
            `ChartOutput.flip`.
        uv_by_chart: Weight U and V of a chart in each view with the probability that the view gives
            to that chart (methods 2): a scale that does not see it has no say on it.

    Returns:
        Log-probabilities where the views have logits (decoders cannot tell them from logits, and
        the mean of one view decodes to what the view does), U and V averaged as they are or
        weighted.

    Raises:
        ValueError: Nothing to average, or the views carry different maps or shapes.
    """
    if not outputs:
        raise ValueError("mean_chart_output needs at least one view")
    shapes = [{name: tuple(maps.shape) for name, maps in output.fields()} for output in outputs]
    if any(other != shapes[0] for other in shapes):
        raise ValueError(f"mean_chart_output: the views carry different maps: {shapes}")
    merged: dict[str, Tensor] = {}
    for name in shapes[0]:
        views = torch.stack([output.require(name).float() for output in outputs])
        if name in _OVER_CHANNELS:
            merged[name] = _log_mean(views.log_softmax(dim=2))
        elif name == "keypoint_heatmaps":
            merged[name] = _log_mean(views.flatten(3).log_softmax(dim=3)).view_as(views[0])
        elif uv_by_chart:
            fine = torch.stack([output.require("fine_segm").float() for output in outputs])
            # Shares of the views in a chart's probability; differences of logarithms cannot
            # underflow where no view believes in the chart.
            shares = fine.log_softmax(dim=2).softmax(dim=0)
            merged[name] = (shares * views).sum(dim=0)
        else:
            merged[name] = views.mean(dim=0)
    return ChartOutput(**merged)


def _log_mean(log_probabilities: Tensor) -> Tensor:
    """Log of the mean over the first axis."""
    return log_probabilities.logsumexp(dim=0) - math.log(len(log_probabilities))
