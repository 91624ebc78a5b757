"""Keypoint heat-maps -> keypoints and scores (He et al., Mask R-CNN).

As `keypoint_rcnn_inference` of detectron2: each map is resized bicubically to its box, the best
pixel wins. Results are pixel indices, as COCO's files and evaluator have them: the half pixel that
loading adds (docs/conventions.md, frame 1) is taken off again, where detectron2 does so on writing.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmktn.registry import MODELS
from mmktn.structures import ChartOutput
from mmktn.structures.box_grid import image_to_keypoint_index


@MODELS.register_module()
class KeypointDecoder:
    """Decode `keypoint_heatmaps` into `keypoints` (N, K, 2) and `keypoint_scores` (N, K).

    The score of a keypoint is the spatial softmax at the best pixel, taken relative to the
    probability mass of the map before resizing, at most 1.

    Args:
        num_keypoints: K, for images without boxes.
    """

    fields: tuple[str, ...] = ("keypoint_heatmaps",)

    def __init__(self, num_keypoints: int = 17) -> None:
        self.num_keypoints = num_keypoints

    def decode(
        self, output: ChartOutput, boxes_xyxy: Tensor, *, windows_xyxy: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Decode N boxes.

        Args:
            output: Maps of the N boxes.
            boxes_xyxy: (N, 4) boxes in the pixels the keypoints shall have.
            windows_xyxy: (N, 4) what the maps cover; None: the boxes.

        Returns:
            `keypoints` (N, K, 2) pixel indices, x before y, and `keypoint_scores` (N, K).

        Raises:
            ValueError: The map is not predicted.
        """
        maps = output["keypoint_heatmaps"]
        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
        windows = boxes_xyxy if windows_xyxy is None else windows_xyxy
        found = [_best_pixels(*pair) for pair in zip(maps, windows, strict=True)]
        if not found:
            return self.no_results(boxes_xyxy)
        keypoints, scores = (torch.stack(side) for side in zip(*found, strict=True))
        return {"keypoints": keypoints, "keypoint_scores": scores}

    def no_results(self, boxes_xyxy: Tensor) -> dict[str, Tensor]:
        """Give what an image without boxes (0, 4) gets."""
        return {
            "keypoints": boxes_xyxy.new_zeros((0, self.num_keypoints, 2)),
            "keypoint_scores": boxes_xyxy.new_zeros((0, self.num_keypoints)),
        }


def _best_pixels(maps: Tensor, box_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """Return the keypoints (K, 2) as pixel indices and scores (K,) of maps (K, a, a)."""
    extent = (box_xyxy[2:] - box_xyxy[:2]).clamp(min=1)
    width, height = extent.ceil().long().tolist()
    resized = F.interpolate(maps[None], size=(height, width), mode="bicubic", align_corners=False)
    peaks, index = resized[0].flatten(1).max(dim=1)
    pixel = torch.stack((index % width, index // width), dim=1)
    size = extent.new_tensor([width, height])
    keypoints = image_to_keypoint_index(box_xyxy[:2] + (pixel + 0.5) * extent / size)
    # Bicubic resizing may lift a peak above the map: such a score is cut at 1.
    scores = (peaks - maps.flatten(1).logsumexp(dim=1)).clamp(max=0).exp()
    return keypoints, scores
