"""Object keypoint similarity of all pairs of a set.

Source: COCO keypoint evaluation and the CrowdPose API (area 0.53 w h). The official loops run over
pairs; here all pairs of all images are one array.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.matching import ImagePairs
from mmktn.evaluation.functional.ap.protocol import (
    MAX_DETECTIONS,
    KeypointProtocol,
)
from mmktn.evaluation.functional.keypoints.data import KeypointDetections, KeypointTruth

COCO_SIGMAS: NDArray[np.float64] = np.array(
    [.26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89, .89]
) / 10  # fmt: skip
CROWDPOSE_SIGMAS: NDArray[np.float64] = np.array(
    [.79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89, .89, .79, .79]
) / 10  # fmt: skip
_SIGMAS = {len(sigmas): sigmas for sigmas in (COCO_SIGMAS, CROWDPOSE_SIGMAS)}


def default_sigmas(num_keypoints: int) -> NDArray[np.float64]:
    """Return the per-keypoint constants of COCO (17) or CrowdPose (14).

    Args:
        num_keypoints: K.

    Returns:
        (K,) sigmas.

    Raises:
        ValueError: No data set with K keypoints is known.
    """
    if num_keypoints not in _SIGMAS:
        raise ValueError(
            f"no sigmas are known for {num_keypoints} keypoints (17: COCO, 14: CrowdPose); "
            "give them"
        )
    return _SIGMAS[num_keypoints]


def object_keypoint_similarity(
    detected_xy: NDArray[np.float64],
    true_keypoints: NDArray[np.float64],
    *,
    areas: NDArray[np.float64],
    boxes_xywh: NDArray[np.float64],
    sigmas: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Compute the similarity of N pairs of a detection and a person.

    A person without labelled points is compared by the distance of all detected points to its
    box enlarged by one box size on every side.

    Args:
        detected_xy: (N, K, 2) pixels.
        true_keypoints: (N, K, 3) x, y, v.
        areas: (N,) area of the person in pixels.
        boxes_xywh: (N, 4) box of the person.
        sigmas: (K,) per-keypoint constants.

    Returns:
        (N,) similarity in [0, 1].
    """
    labelled = true_keypoints[..., 2] > 0
    counts = labelled.sum(axis=1)
    delta = detected_xy - true_keypoints[..., :2]
    bare = np.flatnonzero(counts == 0)
    if len(bare):
        box = boxes_xywh[bare, None, :]
        low, high = box[..., :2] - box[..., 2:], box[..., :2] + 2 * box[..., 2:]
        xy = detected_xy[bare]
        delta[bare] = np.maximum(low - xy, 0) + np.maximum(xy - high, 0)
        labelled[bare] = True
        counts[bare] = labelled.shape[1]
    delta *= delta
    error = delta.sum(axis=-1)
    error /= (2 * sigmas) ** 2
    error /= (areas + np.spacing(1))[:, None] * 2
    np.negative(error, out=error)
    np.exp(error, out=error)
    error *= labelled
    return error.sum(axis=1) / np.maximum(counts, 1)


def keypoint_pairs(
    truth: KeypointTruth,
    detections: KeypointDetections,
    protocol: KeypointProtocol,
    positions: NDArray[np.int64] | None = None,
    sigmas: Sequence[float] | NDArray[np.float64] | None = None,
) -> tuple[list[ImagePairs], int]:
    """Return the OKS matrices of all images.

    Args:
        truth: Ground truth.
        detections: Results.
        protocol: Rules.
        positions: Results to use; all by default.
        sigmas: (K,) per-keypoint constants.

    Returns:
        One entry per image and category, and the number of detections beyond the limit.
    """
    if positions is None:
        positions = np.arange(len(detections))
    areas = truth.areas
    if protocol.box_area_factor is not None:
        areas = truth.boxes_xywh[:, 2] * truth.boxes_xywh[:, 3] * protocol.box_area_factor
    labelled = (truth.keypoints[..., 2] > 0).sum(axis=1)
    counts = labelled if protocol.count_labelled_points else truth.num_keypoints
    ignored = truth.crowd | (counts == 0)
    gt_order, gt_keys = _grouped(truth.category_ids, truth.image_ids, None)
    dt_order, dt_keys = _grouped(
        detections.category_ids[positions], detections.image_ids[positions],
        -detections.scores[positions],
    )  # fmt: skip
    dt_order = positions[dt_order]
    groups, num_beyond = [], 0
    for key in sorted(gt_keys.keys() | dt_keys.keys()):
        first, last = dt_keys.get(key, (0, 0))
        num_beyond += max(last - first - MAX_DETECTIONS, 0)
        groups.append((key, dt_order[first : min(last, first + MAX_DETECTIONS)],
                       gt_order[slice(*gt_keys.get(key, (0, 0)))]))  # fmt: skip
    matrices = _all_similarities(truth, detections, areas, groups, sigmas)
    pairs = [
        ImagePairs(
            image_id=image_id,
            category_id=category_id,
            det_index=det,
            det_scores=detections.scores[det],
            det_areas=detections.areas[det],
            gt_ids=truth.ids[gt],
            gt_areas=areas[gt],
            gt_ignored=ignored[gt],
            gt_crowd=truth.crowd[gt],
            similarities={"oks": oks},
        )
        for ((category_id, image_id), det, gt), oks in zip(groups, matrices, strict=True)
    ]
    return pairs, num_beyond


def _grouped(
    categories: NDArray[np.int64],
    images: NDArray[np.int64],
    rank: NDArray[np.float64] | None,
) -> tuple[NDArray[np.int64], dict[tuple[int, int], tuple[int, int]]]:
    """Return the stable order by category, image (and rank), and the span of each group in it."""
    keys = (images, categories) if rank is None else (rank, images, categories)
    order = np.lexsort(keys)
    table = np.stack([categories[order], images[order]], axis=1)
    starts = np.flatnonzero(np.r_[True, (table[1:] != table[:-1]).any(axis=1)][: len(table)])
    ends = np.r_[starts[1:], len(table)]
    spans = zip(table[starts].tolist(), starts.tolist(), ends.tolist(), strict=False)
    return order, {(key[0], key[1]): (start, end) for key, start, end in spans}


def _all_similarities(
    truth: KeypointTruth,
    detections: KeypointDetections,
    areas: NDArray[np.float64],
    groups: Sequence[tuple[tuple[int, int], NDArray[np.int64], NDArray[np.int64]]],
    sigmas: Sequence[float] | NDArray[np.float64] | None,
) -> list[NDArray[np.float64]]:
    """Return (D, G) OKS of every group, computed in common."""
    shapes = [(len(det), len(gt)) for _, det, gt in groups]
    det = [np.repeat(d, len(g)) for _, d, g in groups]
    gt = [np.tile(g, len(d)) for _, d, g in groups]
    all_det = np.concatenate(det or [np.zeros(0, dtype=np.int64)])
    all_gt = np.concatenate(gt or [np.zeros(0, dtype=np.int64)])
    values = np.zeros(len(all_det))
    if len(all_det):
        constants = default_sigmas(truth.num_points) if sigmas is None else np.asarray(sigmas)
        if len(constants) != truth.num_points:
            raise ValueError(f"{len(constants)} sigmas for {truth.num_points} keypoints")
        for start in range(0, len(all_det), 65536):
            d, g = all_det[start : start + 65536], all_gt[start : start + 65536]
            values[start : start + 65536] = object_keypoint_similarity(
                detections.keypoints[d, :, :2],
                truth.keypoints[g],
                areas=areas[g],
                boxes_xywh=truth.boxes_xywh[g],
                sigmas=constants,
            )
    ends = np.cumsum([d * g for d, g in shapes], dtype=np.int64)[:-1]
    return [v.reshape(s) for v, s in zip(np.split(values, ends), shapes, strict=True)]
