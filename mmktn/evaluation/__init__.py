"""Scores: numpy-only functions in ``functional``, mmengine metrics in ``metrics``.

What is named here needs no torch.
"""

from mmktn.evaluation.functional.body_segmentation import evaluate_body_masks
from mmktn.evaluation.functional.densepose import DensePoseScores, evaluate_densepose
from mmktn.evaluation.functional.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.keypoint_ap import KeypointScores, evaluate_keypoints
from mmktn.evaluation.functional.keypoint_data import KeypointDetections, KeypointTruth
from mmktn.evaluation.functional.oks import object_keypoint_similarity
from mmktn.evaluation.functional.part_segmentation import evaluate_parts
from mmktn.evaluation.functional.pointwise import PointwiseScores, evaluate_pointwise
from mmktn.evaluation.functional.segmentation import SegmentationDetections
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
