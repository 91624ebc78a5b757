"""Dense labels of a person as bytes: chart, U, V and confidence of each cell of the box grid.

DensePose, section 3.2: the teacher's answer at every pixel of a person, in the frame of dp_masks.
Bytes are those of the result format (truncated, docs/conventions.md), so byte k stands for the
interval from k / 255 to (k + 1) / 255 and is read back as its middle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_UV_STEPS = 255


def encode_dense_labels(charts: Tensor, uv: Tensor, confidence: Tensor) -> Tensor:
    """Code dense labels as bytes.

    Args:
        charts: (G, G) chart 0..24, 0 where nothing is labelled.
        uv: (2, G, G) U, V in [0, 1].
        confidence: (G, G) in [0, 1].

    Returns:
        (4, G, G) uint8; all four are 0 where the chart is 0.
    """
    values = torch.cat((uv, confidence[None])).clamp(0, 1).mul(_UV_STEPS)
    labelled = charts > 0
    return torch.cat((charts[None].to(torch.uint8), values.to(torch.uint8) * labelled))


def decode_unit_bytes(values: Tensor) -> Tensor:
    """Read bytes of U, V back: the middle of their interval, float32 in [0, 1]."""
    return ((values.float() + 0.5) / _UV_STEPS).clamp(max=1)


def flip_dense_labels(
    dense_labels: Tensor,
    chart_flip: NDArray[np.int64],
    flip_uv: Callable[..., tuple[NDArray[Any], NDArray[Any]]],
) -> Tensor:
    """Mirror dense labels left to right (DensePose's symmetry tables).

    Args:
        dense_labels: (4, G, G) uint8.
        chart_flip: (25,) chart -> chart of the mirrored person.
        flip_uv: `(charts, u, v) -> (u', v')` with the charts before the swap.

    Returns:
        (4, G, G) uint8; flipping it again gives the input back up to one step of U and V, exactly
        where the tables hold the middles of their cells.
    """
    mirrored = dense_labels.flip(-1)
    charts = mirrored[0].cpu().numpy()
    u, v = decode_unit_bytes(mirrored[1:3]).cpu().numpy()
    uv = torch.from_numpy(np.stack(flip_uv(charts, u, v))).to(mirrored.device)
    swapped = torch.tensor(chart_flip, device=mirrored.device)[mirrored[0].long()]
    return torch.cat((encode_dense_labels(swapped, uv, mirrored[3] / _UV_STEPS)[:3], mirrored[3:]))
