"""Score of a keypoint result and removal of duplicates, as top-down systems do before evaluation.

Source: HRNet and STIP test code: score = box score x mean of the keypoint scores above 0.2;
results of an image whose OKS with a better one exceeds 0.9 are removed. The area in that OKS is the
crop's, so two persons of one box are compared at the size of the box, not of their keypoints.
"""

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.keypoints.oks import (
    CROWDPOSE_SIGMAS,
    default_sigmas,
    object_keypoint_similarity,
)

KEYPOINT_SCORE_LIMIT = 0.2
NMS_OKS = 0.9
# The released code removes duplicates with other constants than it evaluates with: .035 in place
# of .079 for CrowdPose's head and neck.
CROWDPOSE_NMS_SIGMAS: NDArray[np.float64] = np.r_[CROWDPOSE_SIGMAS[:12], 0.035, 0.035]


def duplicate_sigmas(num_keypoints: int) -> NDArray[np.float64]:
    """Return the per-keypoint constants for the removal of duplicates.

    Args:
        num_keypoints: K; 17 is COCO, 14 CrowdPose.

    Returns:
        (K,) sigmas.

    Raises:
        ValueError: No data set with K keypoints is known.
    """
    if num_keypoints == len(CROWDPOSE_NMS_SIGMAS):
        return CROWDPOSE_NMS_SIGMAS
    return default_sigmas(num_keypoints)


def instance_scores(
    keypoint_scores: NDArray[np.float64], box_scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Score results by their box and their confident keypoints.

    Args:
        keypoint_scores: (N, K) heat-map maxima; those up to 0.2 do not count.
        box_scores: (N,) scores of the detector.

    Returns:
        (N,) scores; 0 where no keypoint is confident.
    """
    confident = keypoint_scores > KEYPOINT_SCORE_LIMIT
    counts = confident.sum(axis=1)
    sums = np.where(confident, keypoint_scores, 0).sum(axis=1)
    return box_scores * np.divide(sums, counts, out=np.zeros(len(sums)), where=counts > 0)


def remove_duplicates(
    keypoints_xy: NDArray[np.float64],
    scores: NDArray[np.float64],
    areas: NDArray[np.float64],
    *,
    sigmas: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Keep the best of results that show the same person.

    Args:
        keypoints_xy: (N, K, 2) results of one image in pixels.
        scores: (N,) scores.
        areas: (N,) areas of the crops in pixels; a pair is compared with the mean of both.
        sigmas: (K,) per-keypoint constants.

    Returns:
        Positions kept, best first.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        count = len(rest)
        labelled = np.full((count, keypoints_xy.shape[1], 1), 2.0)
        reference = np.broadcast_to(keypoints_xy[best], (count, *keypoints_xy.shape[1:]))
        alike = object_keypoint_similarity(
            keypoints_xy[rest],
            np.concatenate([reference, labelled], axis=-1),
            areas=(areas[rest] + areas[best]) / 2,
            boxes_xywh=np.zeros((count, 4)),
            sigmas=sigmas,
        )
        order = rest[alike <= NMS_OKS]
    return np.array(kept, dtype=np.int64)
