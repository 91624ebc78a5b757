"""Decoded dense pose of a box as tensors; its coding in files is that of `formats.ChartArrays`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmktn.formats.chart_arrays import ChartArrays, ChartMaps
from mmktn.structures.instance_list import InstanceList


class ChartResult(ChartMaps[Tensor]):
    """Charts and chart coordinates of one box as tensors; attributes as in `ChartMaps`."""

    def arrays(self) -> ChartArrays:
        """Return the same with arrays, on the CPU and without gradient."""
        own = self.map(lambda values: values.detach().cpu())
        return ChartArrays(
            own.labels.numpy(),
            own.uv.float().numpy(),
            None if own.mask is None else own.mask.numpy(),
            {name: _as_array(values) for name, values in own.fields.items()},
            own.xy,
        )

    def map(self, function: Callable[[Tensor], Tensor]) -> ChartResult:
        """Apply a function to every tensor."""
        return ChartResult(
            function(self.labels),
            function(self.uv),
            None if self.mask is None else function(self.mask),
            {name: function(values) for name, values in self.fields.items()},
            self.xy,
        )

    @classmethod
    def from_iuv_uint8(cls, iuv: NDArray[np.uint8]) -> ChartResult:
        """Read bytes back; `iuv_uint8` of the outcome gives the same bytes.

        Args:
            iuv: (3, H, W) uint8.
        """
        labels_uv = torch.from_numpy(np.array(iuv, dtype=np.uint8))
        # float64 before the cast: the nearest float32 to k / 255 gives k again after the product is
        # rounded.
        return cls(labels=labels_uv[0], uv=(labels_uv[1:].double() / 255).float())


class ChartResults(InstanceList[ChartResult]):
    """Decoded dense pose of the N boxes of an image; a field of `pred_instances`."""


def _as_array(values: Tensor) -> NDArray[Any]:
    """Convert to an array: numpy knows no bfloat16, and nobody wants half."""
    return (values.float() if values.is_floating_point() else values).numpy()
