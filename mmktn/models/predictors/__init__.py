"""Trunk features -> `ChartOutput`."""

from mmktn.models.predictors.chart_predictor import ChartPredictor
from mmktn.models.predictors.ktm_chart_predictor import KTMv1ChartPredictor, KTMv2ChartPredictor
from mmktn.models.predictors.map_layers import ConvLayers, DeconvLayers, MapLayers
from mmktn.models.predictors.map_predictor import MapPredictor

__all__ = [
    "ChartPredictor",
    "ConvLayers",
    "DeconvLayers",
    "KTMv1ChartPredictor",
    "KTMv2ChartPredictor",
    "MapLayers",
    "MapPredictor",
]
