"""Pictures of the results of other tasks than charts: segmentations, person masks, keypoints.

Everything is (H, W, 3) uint8 RGB and in image pixels (docs/conventions.md, frame 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.structures import InstanceData

from mmktn.structures import SegmentationResults
from mmktn.structures.box_grid import keypoint_index_to_image
from mmktn.visualization.annotation_drawing import coarse_colours, draw_keypoints

_MASK_COLOUR = np.array([255, 200, 60])
_KEYPOINT_THRESHOLD = 0.05  # keypoints with a lower score are left out
_ALPHA = 0.55


def draw_segmentation(
    image: np.ndarray, labels: np.ndarray, corner_xy: tuple[int, int]
) -> np.ndarray:
    """Lay body (1) or part (1..14) labels over the photo; cut at the image border.

    Args:
        image: Picture.
        labels: (h, w) labels of a box, 0 background.
        corner_xy: Pixel under the top-left label.
    """
    drawn = image.copy()
    x, y = corner_xy
    left, top = max(-x, 0), max(-y, 0)
    labels = labels[top : image.shape[0] - y, left : image.shape[1] - x]
    window = drawn[y + top : y + top + labels.shape[0], x + left : x + left + labels.shape[1]]
    mixed = (1 - _ALPHA) * window + _ALPHA * coarse_colours()[labels]
    window[labels > 0] = mixed[labels > 0]
    return drawn


def draw_tasks(image: np.ndarray, instances: InstanceData) -> np.ndarray:
    """Draw what the predictions hold besides boxes and charts; the best score on top.

    Args:
        image: Picture.
        instances: N predictions in pixels of `image`: `bboxes`, `scores` and, as far as there,
            fields of `SegmentationResults`, `masks` (N, H, W), `keypoints` (N, 17, 2) with
            `keypoint_scores` (N, 17).
    """
    drawn = image
    fields: dict[str, Any] = dict(instances.items())
    segmentations = [
        values for values in fields.values() if isinstance(values, SegmentationResults)
    ]
    for k in instances.scores.argsort().tolist():
        for results in segmentations:
            drawn = draw_segmentation(drawn, results[k].labels.cpu().numpy(), results[k].xy)
        if "masks" in fields:
            inside = fields["masks"][k].cpu().numpy().astype(bool)
            drawn = np.where(
                inside[..., None], (1 - _ALPHA) * drawn + _ALPHA * _MASK_COLOUR, drawn
            ).astype(np.uint8)
        if "keypoints" in fields and fields["keypoints"].shape[1] == 17:
            shown = fields["keypoint_scores"][k].cpu().numpy() >= _KEYPOINT_THRESHOLD
            xy = keypoint_index_to_image(fields["keypoints"][k])
            drawn = draw_keypoints(drawn, xy.cpu().numpy(), 2 * shown)
    return drawn
