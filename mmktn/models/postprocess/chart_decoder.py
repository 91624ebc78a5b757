"""Raw maps of a box -> chart and U, V of every pixel (methods 1.5; evaluation notes, section 5).

The official code resizes all channels of all maps to the integer box. Here U and V are read only in
the channel of the winning chart, and large boxes are worked off in bands of rows, which bounds
memory; the interpolation is that of `F.interpolate(mode='bilinear', align_corners=False)`.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, ChartResult, ChartResults
from mmktn.structures.box_grid import result_box_hw

MASK_SOURCES = ("coarse", "body_mask")
ARGMAX_THRESHOLD = 0.5
"""At exactly this threshold the official code compares channels instead of probabilities."""


class _Axis(NamedTuple):
    """Source cells and the share of the upper one for each target pixel of an axis."""

    low: Tensor
    high: Tensor
    share: Tensor

    def part(self, start: int, stop: int) -> "_Axis":
        return _Axis(self.low[start:stop], self.high[start:stop], self.share[start:stop])


@MODELS.register_module()
class ChartDecoder:
    """Decode `ChartOutput` into `ChartResults`.

    A pixel belongs to the body if argmax(mask map) > 0 (`mask_threshold=0.5`), or if the softmax of
    channel 1 exceeds the threshold (any other value; below 0: everywhere). Its chart is
    argmax over all 25 channels of the fine map, which may itself answer background.

    Args:
        mask_source: Map that decides on the body: 'coarse' or 'body_mask'.
        mask_threshold: 0.5 in DensePose R-CNN, 0.3 in KTN.
        band_values: Resized values held at a time (25 per pixel).

    Raises:
        ValueError: `mask_source` is none of the two.
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
        mask = "coarse_segm" if self.mask_source == "coarse" else "body_mask"
        return ("fine_segm", "u", "v", mask)

    def decode(self, output: ChartOutput, boxes_xyxy: Tensor) -> ChartResults:
        """Decode N boxes.

        Args:
            output: Maps of the N boxes.
            boxes_xyxy: (N, 4) boxes in the pixels the results shall have.

        Returns:
            N results, each of the integer size of its box (docs/conventions.md, frame 5), on the
            device of the maps.

        Raises:
            ValueError: Numbers differ, the mask map is not predicted, or a threshold meets a
                15-channel map, whose channel 1 is the torso.
        """
        if len(output) != len(boxes_xyxy):
            raise ValueError(f"maps of {len(output)} boxes, {len(boxes_xyxy)} boxes given")
        fine, mask, u, v = (
            _channels_last(maps)
            for maps in (output.fine_segm, self._mask_maps(output), output.u, output.v)
        )
        sizes = result_box_hw(boxes_xyxy).tolist()
        return ChartResults(
            self._decode_one(fine[i], mask[i], uv=(u[i], v[i]), size_hw=(h, w))
            for i, (h, w) in enumerate(sizes)
        )

    def _mask_maps(self, output: ChartOutput) -> Tensor:
        name = self.fields[-1]
        maps = getattr(output, name)
        if maps is None:
            raise ValueError(
                f"mask_source={self.mask_source!r} reads {name}, which is not predicted"
            )
        if maps.shape[1] != 2 and self.mask_threshold != ARGMAX_THRESHOLD:
            raise ValueError(
                f"mask_threshold={self.mask_threshold} needs a 2-channel map, {name} has "
                f"{maps.shape[1]} channels; use mask_threshold=0.5 or mask_source='body_mask'"
            )
        return maps

    def _decode_one(
        self,
        fine: Tensor,
        mask: Tensor,
        *,
        uv: tuple[Tensor, Tensor],
        size_hw: tuple[int, int],
    ) -> ChartResult:
        """Decode maps (a, a, 25), (a, a, D), 2 x (a, a, 25) to a box of h x w pixels."""
        h, w = size_hw
        rows, columns = _axis(h, fine.shape[0], fine), _axis(w, fine.shape[1], fine)
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
        axes: tuple[_Axis, _Axis],
    ) -> tuple[Tensor, Tensor]:
        """Labels (rows, w) int64 and uv (2, rows, w) float32 of a band of rows."""
        labels = _best_channel(_resize(fine, *axes))
        if self.mask_threshold >= 0:
            labels = labels * self._foreground(_resize(mask, *axes))
        values = torch.stack([_read_channel(maps, labels, *axes) for maps in uv])
        return labels, values.float() * (labels > 0)

    def _foreground(self, mask: Tensor) -> Tensor:
        if self.mask_threshold == ARGMAX_THRESHOLD:
            return _best_channel(mask) > 0
        # Channels first: a softmax over a last axis of length 2 is not vectorised.
        return torch.stack(mask.unbind(dim=-1)).softmax(dim=0)[1] > self.mask_threshold


def _channels_last(maps: Tensor) -> Tensor:
    """(N, C, a, a) -> (N, a, a, C), contiguous, at least in float32."""
    dtype = torch.promote_types(maps.dtype, torch.float32)
    return maps.to(dtype).permute(0, 2, 3, 1).contiguous()


def _axis(size: int, cells: int, like: Tensor) -> _Axis:
    """Source positions of `size` pixels over `cells` cells, centres at index + 0.5, clamped."""
    pixels = torch.arange(size, dtype=like.dtype, device=like.device)
    position = ((pixels + 0.5) * (cells / size) - 0.5).clamp(min=0)
    low = position.long().clamp(max=cells - 1)
    high = (low + 1).clamp(max=cells - 1)
    return _Axis(low, high, (position - low).clamp(max=1))


def _resize(maps: Tensor, rows: _Axis, columns: _Axis) -> Tensor:
    """Resize (a, a, C) bilinearly to (rows, columns, C)."""
    tall = torch.lerp(
        maps.index_select(0, rows.low), maps.index_select(0, rows.high), rows.share[:, None, None]
    )
    size = (len(rows.low), len(columns.low))  # rows are in place: only columns change here
    wide = F.interpolate(
        tall.permute(2, 0, 1)[None], size=size, mode="bilinear", align_corners=False
    )
    return wide[0].permute(1, 2, 0)


def _best_channel(maps: Tensor) -> Tensor:
    """Argmax over the last axis, through `max`, which is several times faster on the CPU."""
    return maps.max(dim=-1).indices


def _read_channel(maps: Tensor, labels: Tensor, rows: _Axis, columns: _Axis) -> Tensor:
    """Bilinear value of channel `labels` (rows, columns) of maps (a, a, C) at every pixel."""
    _, width, channels = maps.shape
    flat = maps.reshape(-1)

    def across(y: Tensor) -> Tensor:
        left = (y[:, None] * width + columns.low) * channels + labels
        right = (y[:, None] * width + columns.high) * channels + labels
        return torch.lerp(flat[left], flat[right], columns.share)

    return torch.lerp(across(rows.low), across(rows.high), rows.share[:, None])
