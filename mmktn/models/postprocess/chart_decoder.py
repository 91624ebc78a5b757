"""Raw maps of a box -> chart, U, V and further fields of every pixel (docs/evaluation.md).

The official code resizes all channels of all maps to the integer box. Here U and V are read only in
the channel of the winning chart, and large boxes are worked off in bands of rows, which bounds
memory; the interpolation is that of `F.interpolate(mode='bilinear', align_corners=False)`.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmktn.models.maps import require_class_map
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
from mmktn.models.postprocess.uv_confidence import uv_confidence_fields
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, ChartResult, ChartResults, declared_map
from mmktn.structures.box_grid import result_box_hw, result_box_origin_xy
from mmktn.structures.crop_grid import box_in_window


@MODELS.register_module()
class ChartDecoder:
    """Decode `ChartOutput` into `ChartResults`.

    A pixel belongs to the body where the best channel of the mask map is not the background. Its
    chart is the best of all 25 channels of the fine map, which may be the background again.

    Args:
        mask_source: Map that decides on the body: 'coarse_segm', 'body_mask', or 'fine_segm' where
            the 25-way map alone decides (fully convolutional systems).
        mask_threshold: 0.5 takes the best channel (DensePose R-CNN). Another value compares the
            softmax of channel 1 with it (KTN: 0.3); a negative one takes every pixel for body.
        band_values: Resized values held at a time (25 per pixel).
        uv_temperature: Factor of the covariance that a model with the map `sigma_2` predicts; 1 is
            what the model says, another value what was measured (docs/confidence.md).
        chart_confidence: Also give the field `chart_confidence` (h, w): the classifier's
            probability of the pixel's chart, 0 outside the person.

    Maps that declare a `field` (`mmktn.structures.DenseMap`) are decoded beside the charts into
    `ChartResult.fields`; with `sigma_2` also `uv_std` and `uv_confidence` (uv_confidence.py).

    Raises:
        ValueError: `mask_source` is no map of classes, or the temperature is not positive.
    """

    def __init__(
        self,
        mask_source: str = "coarse_segm",
        mask_threshold: float = ARGMAX_THRESHOLD,
        *,
        band_values: int = 2**21,
        uv_temperature: float = 1.0,
        chart_confidence: bool = False,
    ) -> None:
        require_class_map("mask_source", mask_source)
        if not 0 < uv_temperature < math.inf:
            raise ValueError(f"uv_temperature={uv_temperature}: expected a positive number")
        self.mask_source = mask_source
        self.mask_threshold = mask_threshold
        self.band_values = band_values
        self.uv_temperature = uv_temperature
        self.chart_confidence = chart_confidence

    @property
    def fields(self) -> tuple[str, ...]:
        """Maps that decoding reads."""
        return tuple(dict.fromkeys(("fine_segm", "u", "v", self.mask_source)))

    def decode(
        self, output: ChartOutput, boxes_xyxy: Tensor, *, windows_xyxy: Tensor | None = None
    ) -> ChartResults:
        """Decode N boxes.

        Args:
            output: Maps of the N boxes.
            boxes_xyxy: (N, 4) boxes in the pixels the results shall have.
            windows_xyxy: (N, 4) what the maps cover, in the same pixels: the crop of a top-down
                system around its box. None: the boxes. Beyond its edges a map goes on with its
                border cells.

        Returns:
            N results, each of the integer size of its box (docs/conventions.md, frame 5), on the
            device of the maps.

        Raises:
            ValueError: Numbers differ, the mask map is not predicted, or a threshold meets a
                15-channel map, whose channel 1 is the torso.
        """
        windows_xyxy = boxes_xyxy if windows_xyxy is None else windows_xyxy
        if len(windows_xyxy) != len(boxes_xyxy):
            raise ValueError(f"{len(windows_xyxy)} windows for {len(boxes_xyxy)} boxes")
        if len(output) != len(boxes_xyxy):
            raise ValueError(f"maps of {len(output)} boxes, {len(boxes_xyxy)} boxes given")
        if self.mask_source != "fine_segm":
            check_threshold(output[self.mask_source], self.mask_threshold, name=self.mask_source)
        shown = [name for name in output.names() if declared_map(name).field]
        read = {n: channels_last(output[n]) for n in dict.fromkeys([*self.fields, *shown])}
        places = zip(
            result_box_hw(boxes_xyxy).tolist(),
            result_box_origin_xy(boxes_xyxy).tolist(),
            box_in_window(boxes_xyxy, windows_xyxy).tolist(),
            strict=True,
        )
        return ChartResults(
            self._decode_one({name: maps[i] for name, maps in read.items()}, *place)
            for i, place in enumerate(places)
        )

    def _decode_one(
        self,
        maps: Mapping[str, Tensor],
        size_hw: Sequence[int],
        corner_xy: Sequence[int],
        span: Sequence[float],
    ) -> ChartResult:
        """Decode maps (a, a, C) of one box to its h x w pixels.

        `span` is the box x1, y1, x2, y2 in shares of what the maps cover.
        """
        (h, w), (x1, y1, x2, y2), (x, y) = size_hw, span, corner_xy
        axes = {
            grid: (resize_axis(h, grid[0], like, span=(y1, y2)),
                   resize_axis(w, grid[1], like, span=(x1, x2)))
            for grid, like in {tuple(item.shape[:2]): item for item in maps.values()}.items()
        }  # fmt: skip
        rows_at_a_time = max(1, self.band_values // (maps["fine_segm"].shape[-1] * w))
        bands = []
        for top in range(0, h, rows_at_a_time):
            part = slice(top, top + rows_at_a_time)
            cut = {g: (rows.part(part.start, part.stop), columns)
                   for g, (rows, columns) in axes.items()}  # fmt: skip
            bands.append(
                self._decode_band(maps, {n: cut[tuple(m.shape[:2])] for n, m in maps.items()})
            )
        joined = {name: torch.cat([band[name] for band in bands], dim=-2) for name in bands[0]}
        labels, uv = joined.pop("labels").to(torch.uint8), joined.pop("uv")
        return ChartResult(labels, uv, fields=joined, xy=(x, y))

    def _decode_band(
        self, maps: Mapping[str, Tensor], axes: Mapping[str, tuple[Axis, Axis]]
    ) -> dict[str, Tensor]:
        """`labels` (rows, w) int64, `uv` (2, rows, w) float32 and the fields of a band of rows."""
        fine = resize(maps["fine_segm"], *axes["fine_segm"])
        labels = best_channel(fine)
        if self.mask_threshold >= 0 and self.mask_source != "fine_segm":
            mask = resize(maps[self.mask_source], *axes[self.mask_source])
            labels = labels * foreground(mask, self.mask_threshold)
        uv = torch.stack([_read_channel(maps[name], labels, *axes[name]) for name in "uv"])
        found = {"labels": labels, "uv": uv.float() * (labels > 0)}
        for name, item in maps.items():
            kind = declared_map(name)
            if kind.field:
                if kind.per_chart:
                    values = _read_channel(item, labels, *axes[name])[None]
                else:
                    values = resize(item, *axes[name]).permute(2, 0, 1)
                found[kind.field] = kind.decode(values, labels)
        if "sigma_2" in maps:
            found |= uv_confidence_fields(found, labels, temperature=self.uv_temperature)
        if self.chart_confidence:
            of_chart = (fine.amax(dim=-1) - fine.logsumexp(dim=-1)).exp()
            found["chart_confidence"] = of_chart.float() * (labels > 0)
        return found


def _read_channel(maps: Tensor, labels: Tensor, rows: Axis, columns: Axis) -> Tensor:
    """Read channel `labels` (rows, columns) of maps (a, a, C) bilinearly at every pixel."""
    _, width, channels = maps.shape
    flat = maps.reshape(-1)

    def across(y: Tensor) -> Tensor:
        left = (y[:, None] * width + columns.low) * channels + labels
        right = (y[:, None] * width + columns.high) * channels + labels
        return torch.lerp(flat[left], flat[right], columns.share)

    return torch.lerp(across(rows.low), across(rows.high), rows.share[:, None])
