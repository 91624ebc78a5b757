"""Use a trained model from Python."""

from mmktn.apis.inferencer import DensePoseInferencer
from mmktn.apis.model_loading import load_model
from mmktn.apis.prediction import ImagePrediction, save_prediction
from mmktn.apis.topdown_inferencer import TopdownDensePoseInferencer, open_inferencer

__all__ = [
    "DensePoseInferencer",
    "ImagePrediction",
    "TopdownDensePoseInferencer",
    "load_model",
    "open_inferencer",
    "save_prediction",
]
