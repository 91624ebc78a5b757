"""Use a trained model from Python."""

from mmktn.apis.inferencer import DensePoseInferencer
from mmktn.apis.model_loading import load_model
from mmktn.apis.prediction import ImagePrediction, save_prediction

__all__ = ["DensePoseInferencer", "ImagePrediction", "load_model", "save_prediction"]
