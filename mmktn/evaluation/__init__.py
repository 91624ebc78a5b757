"""Scores: numpy-only functions in ``functional``, mmengine metrics in ``metrics``.

What is named here needs no torch.
"""

from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.pointwise import PointwiseScores, evaluate_pointwise
from mmktn.evaluation.functional.densepose.scores import DensePoseScores, evaluate_densepose
from mmktn.evaluation.functional.keypoints.ap import KeypointScores, evaluate_keypoints
from mmktn.evaluation.functional.keypoints.data import KeypointDetections, KeypointTruth
from mmktn.evaluation.functional.keypoints.oks import object_keypoint_similarity
from mmktn.evaluation.functional.segmentation.body import evaluate_body_masks
from mmktn.evaluation.functional.segmentation.labels import SegmentationDetections
from mmktn.evaluation.functional.segmentation.parts import evaluate_parts
from mmktn.evaluation.scoring import evaluate
from mmktn.formats.dense_detections import DenseDetections
from mmktn.formats.result_files import read_keypoint_results, read_results

__all__ = [
    "DenseDetections",
    "DensePoseScores",
    "DensePoseTruth",
    "KeypointDetections",
    "KeypointScores",
    "KeypointTruth",
    "PointwiseScores",
    "SegmentationDetections",
    "evaluate",
    "evaluate_body_masks",
    "evaluate_densepose",
    "evaluate_keypoints",
    "evaluate_parts",
    "evaluate_pointwise",
    "object_keypoint_similarity",
    "read_keypoint_results",
    "read_results",
]
