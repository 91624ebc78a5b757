"""Raw maps of a box -> chart and U, V of every pixel (methods 1.5; docs/evaluation.md).

The official code resizes all channels of all maps to the integer box. Here U and V are read only in
the channel of the winning chart, and large boxes are worked off in bands of rows, which bounds
memory; the interpolation is that of `F.interpolate(mode='bilinear', align_corners=False)`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmktn.models.postprocess.box_resizing import (
    ARGMAX_THRESHOLD,
    Axis,
    best_channel,
    channels_last,
    check_threshold,
    foreground,
    resize,
    resize_axis,
)
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, ChartResult, ChartResults
from mmktn.structures.box_grid import result_box_hw
from mmktn.structures.crop_grid import box_in_region

MASK_SOURCES = ("coarse", "body_mask", "fine_segm")


@MODELS.register_module()
class ChartDecoder:
    """Decode `ChartOutput` into `ChartResults`.

    A pixel belongs to the body if argmax(mask map) > 0 (`mask_threshold=0.5`), or if the softmax of
    channel 1 exceeds the threshold (any other value; below 0: everywhere). Its chart is
    argmax over all 25 channels of the fine map, which may itself answer background.

    Args:
        mask_source: Map that decides on the body: 'coarse', 'body_mask', or 'fine_segm' where the
            25-way map alone decides (fully convolutional systems, methods 2).
        mask_threshold: 0.5 in DensePose R-CNN, 0.3 in KTN.
        band_values: Resized values held at a time (25 per pixel).

    Raises:
        ValueError: `mask_source` is none of these.
    """

    def __init__(
        self,
        mask_source: str = "coarse",
        mask_threshold: float = ARGMAX_THRESHOLD,
        *,
        band_values: int = 2**21,
    ) -> None:
        if mask_source not in MASK_SOURCES:
            raise ValueError(f"mask_source has to be one of {MASK_SOURCES}, got {mask_source!r}")
        self.mask_source = mask_source
        self.mask_threshold = mask_threshold
        self.band_values = band_values

    @property
    def fields(self) -> tuple[str, ...]:
        """Maps that decoding reads."""
        charts = ("fine_segm", "u", "v")
        if self.mask_source == "fine_segm":
            return charts
        return (*charts, "coarse_segm" if self.mask_source == "coarse" else "body_mask")

    def decode(
        self, output: ChartOutput, boxes_xyxy: Tensor, *, regions_xyxy: Tensor | None = None
    ) -> ChartResults:
        """Decode N boxes.

        Args:
            output: Maps of the N boxes.
            boxes_xyxy: (N, 4) boxes in the pixels the results shall have.
            regions_xyxy: (N, 4) what the maps cover, in the same pixels: the crop of a top-down
                system around its box. None: the boxes. Beyond its edges a map goes on with its
                border cells.

        Returns:
            N results, each of the integer size of its box (docs/conventions.md, frame 5), on the
            device of the maps.

        Raises:
            ValueError: Numbers differ, the mask map is not predicted, or a threshold meets a
                15-channel map, whose channel 1 is the torso.
        """
        regions_xyxy = boxes_xyxy if regions_xyxy is None else regions_xyxy
        if len(regions_xyxy) != len(boxes_xyxy):
            raise ValueError(f"{len(regions_xyxy)} regions for {len(boxes_xyxy)} boxes")
        if len(output) != len(boxes_xyxy):
            raise ValueError(f"maps of {len(output)} boxes, {len(boxes_xyxy)} boxes given")
        fine, mask, u, v = (
            channels_last(maps)
            for maps in (
                output.require("fine_segm"),
                self._mask_maps(output),
                output.require("u"),
                output.require("v"),
            )
        )
        sizes = result_box_hw(boxes_xyxy).tolist()
        spans = box_in_region(boxes_xyxy, regions_xyxy).tolist()
        return ChartResults(
            self._decode_one(fine[i], mask[i], uv=(u[i], v[i]), size_hw=sizes[i], span=spans[i])
            for i in range(len(sizes))
        )

    def _mask_maps(self, output: ChartOutput) -> Tensor:
        if self.mask_source == "fine_segm":
            return output.require("fine_segm")
        name = self.fields[-1]
        maps = getattr(output, name)
        if maps is None:
            raise ValueError(
                f"mask_source={self.mask_source!r} reads {name}, which is not predicted"
            )
        check_threshold(maps, self.mask_threshold, name=name)
        return maps

    def _decode_one(
        self,
        fine: Tensor,
        mask: Tensor,
        *,
        uv: tuple[Tensor, Tensor],
        size_hw: Sequence[int],
        span: Sequence[float],
    ) -> ChartResult:
        """Decode maps (a, a, 25), (a, a, D), 2 x (a, a, 25) to a box of h x w pixels.

        `span` is the box x1, y1, x2, y2 in shares of what the maps cover.
        """
        (h, w), (x1, y1, x2, y2) = size_hw, span
        rows = resize_axis(h, fine.shape[0], fine, span=(y1, y2))
        columns = resize_axis(w, fine.shape[1], fine, span=(x1, x2))
        band = max(1, self.band_values // (fine.shape[-1] * w))
        parts = [
            self._decode_band(fine, mask, uv=uv, axes=(rows.part(y, y + band), columns))
            for y in range(0, h, band)
        ]
        labels, values = (torch.cat(side, dim=-2) for side in zip(*parts, strict=True))
        return ChartResult(labels=labels.to(torch.uint8), uv=values)

    def _decode_band(
        self,
        fine: Tensor,
        mask: Tensor,
        *,
        uv: tuple[Tensor, Tensor],
        axes: tuple[Axis, Axis],
    ) -> tuple[Tensor, Tensor]:
        """Labels (rows, w) int64 and uv (2, rows, w) float32 of a band of rows."""
        labels = best_channel(resize(fine, *axes))
        if self.mask_threshold >= 0 and self.mask_source != "fine_segm":
            labels = labels * foreground(resize(mask, *axes), self.mask_threshold)
        values = torch.stack([_read_channel(maps, labels, *axes) for maps in uv])
        return labels, values.float() * (labels > 0)


def _read_channel(maps: Tensor, labels: Tensor, rows: Axis, columns: Axis) -> Tensor:
    """Bilinear value of channel `labels` (rows, columns) of maps (a, a, C) at every pixel."""
    _, width, channels = maps.shape
    flat = maps.reshape(-1)

    def across(y: Tensor) -> Tensor:
        left = (y[:, None] * width + columns.low) * channels + labels
        right = (y[:, None] * width + columns.high) * channels + labels
        return torch.lerp(flat[left], flat[right], columns.share)

    return torch.lerp(across(rows.low), across(rows.high), rows.share[:, None])
