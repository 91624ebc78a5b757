"""`ChartOutput` -> `ChartResults`."""

from mmktn.models.postprocess.chart_decoder import ChartDecoder

__all__ = ["ChartDecoder"]
