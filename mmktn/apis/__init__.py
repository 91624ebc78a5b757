"""Use a trained model from Python.

The names are imported when they are used: commands read their arguments before torch is there.
"""

from typing import TYPE_CHECKING

from mmktn.utils.lazy_names import lazy_names

if TYPE_CHECKING:
    # "as" marks what the commands of this package take from here but users do not.
    from mmktn.apis.box_sources import NamedBoxes as NamedBoxes
    from mmktn.apis.box_sources import boxes_from_coco as boxes_from_coco
    from mmktn.apis.box_sources import boxes_of_detector as boxes_of_detector
    from mmktn.apis.box_sources import whole_picture as whole_picture
    from mmktn.apis.exported import ExportedInferencer
    from mmktn.apis.inferencer import DensePoseInferencer
    from mmktn.apis.model_loading import load_model
    from mmktn.apis.picture_predictor import claim_prediction_files as claim_prediction_files
    from mmktn.apis.pose_estimator import PoseEstimator as PoseEstimator
    from mmktn.apis.prediction import ImagePrediction, save_prediction
    from mmktn.apis.prediction import drawn_name as drawn_name
    from mmktn.apis.prediction import prediction_files as prediction_files
    from mmktn.apis.topdown_inferencer import TopdownDensePoseInferencer, open_inferencer

__all__ = [
    "DensePoseInferencer",
    "ExportedInferencer",
    "ImagePrediction",
    "TopdownDensePoseInferencer",
    "load_model",
    "open_inferencer",
    "save_prediction",
]

__getattr__ = lazy_names(
    __name__,
    {
        "DensePoseInferencer": "inferencer",
        "ExportedInferencer": "exported",
        "ImagePrediction": "prediction",
        "NamedBoxes": "box_sources",
        "PoseEstimator": "pose_estimator",
        "TopdownDensePoseInferencer": "topdown_inferencer",
        "boxes_from_coco": "box_sources",
        "boxes_of_detector": "box_sources",
        "claim_prediction_files": "picture_predictor",
        "drawn_name": "prediction",
        "load_model": "model_loading",
        "open_inferencer": "topdown_inferencer",
        "prediction_files": "prediction",
        "save_prediction": "prediction",
        "whole_picture": "box_sources",
    },
)
