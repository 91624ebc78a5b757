"""Maps of a box -> its pixels, and which of them belong to the body; shared by all decoders.

The interpolation is that of `F.interpolate(mode='bilinear', align_corners=False)`, written so that
a box can be worked off in bands of rows.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

ARGMAX_THRESHOLD = 0.5
"""At exactly this threshold the official code compares channels instead of probabilities."""


class Axis(NamedTuple):
    """Source cells and the share of the upper one for each target pixel of an axis.

    `whole`: the pixels cover all cells, so that the axis is an ordinary resize.
    """

    low: Tensor
    high: Tensor
    share: Tensor
    whole: bool

    def part(self, start: int, stop: int) -> "Axis":
        """Cut out some pixels."""
        cut = slice(start, stop)
        return Axis(self.low[cut], self.high[cut], self.share[cut], whole=False)


def channels_last(maps: Tensor) -> Tensor:
    """(N, C, a, a) -> (N, a, a, C), contiguous, at least in float32."""
    dtype = torch.promote_types(maps.dtype, torch.float32)
    return maps.to(dtype).permute(0, 2, 3, 1).contiguous()


def resize_axis(
    size: int, cells: int, like: Tensor, *, span: tuple[float, float] = (0.0, 1.0)
) -> Axis:
    """Return source positions of `size` pixels over `cells` cells, centres at index + 0.5, clamped.

    The pixels cover the share `span` of the cells; (0, 1) is all of them.
    """
    start, stop = span
    pixels = torch.arange(size, dtype=like.dtype, device=like.device)
    position = (pixels + 0.5) * ((stop - start) * cells / size) + (start * cells - 0.5)
    position = position.clamp(min=0)
    low = position.long().clamp(max=cells - 1)
    high = (low + 1).clamp(max=cells - 1)
    return Axis(low, high, (position - low).clamp(max=1), whole=(start, stop) == (0.0, 1.0))


def resize(maps: Tensor, rows: Axis, columns: Axis) -> Tensor:
    """Resize (a, a, C) bilinearly to (rows, columns, C)."""
    tall = torch.lerp(
        maps.index_select(0, rows.low), maps.index_select(0, rows.high), rows.share[:, None, None]
    )
    if not columns.whole:
        left, right = tall.index_select(1, columns.low), tall.index_select(1, columns.high)
        return torch.lerp(left, right, columns.share[:, None])
    size = (len(rows.low), len(columns.low))  # rows are in place: only columns change here
    # Channels first in memory as well: of channels last, PyTorch makes copies on the CPU that take
    # six times as long as the work.
    planes = tall.permute(2, 0, 1).contiguous()[None]
    wide = F.interpolate(planes, size=size, mode="bilinear", align_corners=False)
    return wide[0].permute(1, 2, 0)


def best_channel(maps: Tensor) -> Tensor:
    """Take argmax over the last axis by `max`, which is several times faster on the CPU."""
    return maps.max(dim=-1).indices


def check_threshold(maps: Tensor, threshold: float, *, name: str) -> None:
    """Check that a threshold meets a 2-channel map.

    Raises:
        ValueError: It meets a 15-channel map, whose channel 1 is the torso.
    """
    if maps.shape[1] != 2 and threshold != ARGMAX_THRESHOLD:
        raise ValueError(
            f"mask_threshold={threshold} needs a 2-channel map, {name} has "
            f"{maps.shape[1]} channels; use mask_threshold=0.5 or mask_source='body_mask'"
        )


def foreground(mask: Tensor, threshold: float) -> Tensor:
    """Say which pixels belong to the body.

    Args:
        mask: (h, w, D) logits.
        threshold: At exactly 0.5 argmax > 0; otherwise the softmax of channel 1 exceeds it.

    Returns:
        (h, w) bool.
    """
    if threshold == ARGMAX_THRESHOLD:
        return best_channel(mask) > 0
    # Channels first: a softmax over a last axis of length 2 is not vectorised.
    return torch.stack(mask.unbind(dim=-1)).softmax(dim=0)[1] > threshold
