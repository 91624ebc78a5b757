"""Raw maps of a box -> chart and U, V of every pixel (methods 1.5; evaluation notes, section 5).

The official code resizes all channels of all maps to the integer box. Here U and V are read only in
the channel of the winning chart, and large boxes are worked off in bands of rows, which bounds memory;
the interpolation is that of `F.interpolate(mode='bilinear', align_corners=False)`.
"""

from typing import NamedTuple

import torch
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

    def rows(self, start: int, stop: int) -> "_Axis":
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
        mask = self._mask_maps(output)
        sizes = result_box_hw(boxes_xyxy).tolist()
        return ChartResults(
            self._decode_one(
                output.fine_segm[i], mask[i], uv=(output.u[i], output.v[i]), size_hw=(h, w)
            )
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
        """Decode maps (25, a, a), (D, a, a), 2 x (25, a, a) to a box of h x w pixels."""
        (h, w), (map_h, map_w) = size_hw, fine.shape[-2:]
        rows, columns = _axis(h, map_h, fine), _axis(w, map_w, fine)
        band = max(1, self.band_values // (len(fine) * w))
        parts = [
            self._decode_band(fine, mask, uv=uv, axes=(rows.rows(y, y + band), columns))
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
        labels = _resize(fine, *axes).argmax(dim=0)
        if self.mask_threshold >= 0:
            labels = labels * self._foreground(_resize(mask, *axes))
        values = torch.stack([_read_channel(maps, labels, *axes) for maps in uv])
        return labels, values.float() * (labels > 0)

    def _foreground(self, mask: Tensor) -> Tensor:
        if self.mask_threshold == ARGMAX_THRESHOLD:
            return mask.argmax(dim=0) > 0
        return mask.softmax(dim=0)[1] > self.mask_threshold


def _axis(size: int, cells: int, like: Tensor) -> _Axis:
    """Source positions of `size` pixels over `cells` cells, centres at index + 0.5, clamped."""
    dtype = torch.promote_types(like.dtype, torch.float32)
    scale = torch.tensor(cells, dtype=dtype) / size
    position = (torch.arange(size, dtype=dtype) + 0.5) * scale - 0.5
    position = position.clamp(min=0)
    low = position.long().clamp(max=cells - 1)
    share = (position - low).clamp(max=1)
    high = (low + 1).clamp(max=cells - 1)
    return _Axis(low.to(like.device), high.to(like.device), share.to(like.device))


def _resize(maps: Tensor, rows: _Axis, columns: _Axis) -> Tensor:
    """Resize (C, a, a) bilinearly to (C, rows, columns), at least in float32."""
    maps = maps.to(rows.share.dtype)
    tall = torch.lerp(maps[:, rows.low], maps[:, rows.high], rows.share[None, :, None])
    return torch.lerp(tall[..., columns.low], tall[..., columns.high], columns.share)


def _read_channel(maps: Tensor, labels: Tensor, rows: _Axis, columns: _Axis) -> Tensor:
    """Bilinear value of channel `labels` (rows, columns) at every pixel."""
    maps = maps.to(rows.share.dtype)

    def across(cells: Tensor) -> Tensor:
        y = cells[:, None]
        return torch.lerp(
            maps[labels, y, columns.low], maps[labels, y, columns.high], columns.share
        )

    return torch.lerp(across(rows.low), across(rows.high), rows.share[:, None])
