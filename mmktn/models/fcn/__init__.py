"""Fully convolutional dense pose: no boxes, charts at every pixel of the input."""

from mmktn.models.fcn.chart_fcn import ChartFCN
from mmktn.models.fcn.summed_aspp import SummedASPPTrunk

__all__ = ["ChartFCN", "SummedASPPTrunk"]
