"""Coarse map or body mask -> label of every pixel of a box.

The body and the parts as results of their own, where DensePose R-CNN uses them only to cut out the
charts. The official code has the same step commented out (`parsing_inference`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmktn.models.maps import require_class_map
from mmktn.models.postprocess.box_resizing import (
    ARGMAX_THRESHOLD,
    best_channel,
    channels_last,
    check_threshold,
    foreground,
    resize,
    resize_axis,
)
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, SegmentationResult, SegmentationResults
from mmktn.structures.box_grid import result_box_hw, result_box_origin_xy
from mmktn.structures.crop_grid import box_in_window


@MODELS.register_module()
class SegmentationDecoder:
    """Decode one coarse map into `SegmentationResults`.

    With `mask_threshold=0.5` a pixel gets the argmax of all channels, resized as logits: body or
    not (2 channels), or one of the parts (15). Any other threshold applies to the softmax of
    channel 1 of a 2-channel map, as in `ChartDecoder`.

    Args:
        source: Map that is read: 'coarse_segm' or 'body_mask'.
        name: Field of `pred_instances` that receives the result.
        mask_threshold: 0.5 for parts, 0.3 for KTN's body mask.

    Raises:
        ValueError: `source` is no such map.
    """

    def __init__(
        self,
        source: str = "coarse_segm",
        name: str = "part_segmentation",
        *,
        mask_threshold: float = ARGMAX_THRESHOLD,
    ) -> None:
        require_class_map("source", source)
        self.name = name
        self.mask_threshold = mask_threshold
        self.fields: tuple[str, ...] = (source,)

    def decode(
        self, output: ChartOutput, boxes_xyxy: Tensor, *, windows_xyxy: Tensor | None = None
    ) -> dict[str, SegmentationResults]:
        """Decode N boxes.

        Args:
            output: Maps of the N boxes.
            boxes_xyxy: (N, 4) boxes in the pixels the results shall have.
            windows_xyxy: (N, 4) what the maps cover; None: the boxes.

        Returns:
            `name` -> N results, each of the integer size of its box.

        Raises:
            ValueError: The map is not predicted, or a threshold meets a 15-channel map.
        """
        maps = output[self.fields[0]]
        check_threshold(maps, self.mask_threshold, name=self.fields[0])
        windows = boxes_xyxy if windows_xyxy is None else windows_xyxy
        places = zip(
            channels_last(maps),
            result_box_hw(boxes_xyxy).tolist(),
            result_box_origin_xy(boxes_xyxy).tolist(),
            box_in_window(boxes_xyxy, windows).tolist(),
            strict=True,
        )
        return {self.name: SegmentationResults(self._decode_one(*place) for place in places)}

    def no_results(self, boxes_xyxy: Tensor) -> dict[str, SegmentationResults]:
        """Give what an image without boxes (0, 4) gets."""
        return {self.name: SegmentationResults()}

    def _decode_one(
        self,
        logits: Tensor,
        size_hw: Sequence[int],
        corner_xy: Sequence[int],
        span: Sequence[float],
    ) -> SegmentationResult:
        (h, w), (x1, y1, x2, y2) = size_hw, span
        rows = resize_axis(h, logits.shape[0], logits, span=(y1, y2))
        columns = resize_axis(w, logits.shape[1], logits, span=(x1, x2))
        resized = resize(logits, rows, columns)
        if self.mask_threshold == ARGMAX_THRESHOLD:
            labels = best_channel(resized)
        else:
            labels = foreground(resized, self.mask_threshold)
        return SegmentationResult(labels.to(torch.uint8), (corner_xy[0], corner_xy[1]))
