"""Decoded dense pose of a box as tensors; its coding in files is that of `formats.ChartArrays`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmktn.formats.chart_arrays import CONFIDENCE_FIELDS, ChartArrays, decode_png
from mmktn.structures.instance_list import InstanceList


@dataclass
class ChartResult:
    """Charts and chart coordinates of one box.

    Attributes:
        labels: (H, W) uint8, chart 1..24, 0 background.
        uv: (2, H, W) float32, U and V in [0, 1], 0 where the label is 0.
        mask: (H, W) bool, the body as the mask branch sees it (it may cover cells whose chart is
            0); or None.
        fields: Further decoded maps by name, each (H, W) or (K, H, W) on the same pixels
            (`DenseMap.decode`).
        xy: Column and row of the top-left pixel in the image, which it may leave; the result covers
            the pixels `xy` to `xy` + (W, H).
    """

    labels: Tensor
    uv: Tensor
    mask: Tensor | None = None
    fields: dict[str, Tensor] = field(default_factory=dict)
    xy: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        """Check that the maps agree.

        Raises:
            ValueError: A shape is wrong; the text names the field.
        """
        hw = tuple(self.labels.shape)
        if len(hw) != 2:
            raise ValueError(f"labels: shape {hw}, not (H, W)")
        if tuple(self.uv.shape) != (2, *hw):
            raise ValueError(f"uv: shape {tuple(self.uv.shape)}, not {(2, *hw)}")
        if self.mask is not None and tuple(self.mask.shape) != hw:
            raise ValueError(f"mask: shape {tuple(self.mask.shape)}, not {hw}")
        for name, values in self.fields.items():
            if values.ndim not in (2, 3) or tuple(values.shape[-2:]) != hw:
                raise ValueError(f"fields[{name!r}]: shape {tuple(values.shape)}, not (.., {hw})")

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.labels.shape[0], self.labels.shape[1]

    @property
    def box_xyxy(self) -> tuple[int, int, int, int]:
        """The box of pixels that the result covers; x2, y2 lie behind the last one."""
        (x, y), (height, width) = self.xy, self.hw
        return x, y, x + width, y + height

    @property
    def confidence_map(self) -> Tensor | None:
        """(H, W) confidence in [0, 1] of every pixel, 0 outside the person; None if not given."""
        return next((self.fields[n] for n in CONFIDENCE_FIELDS if n in self.fields), None)

    @property
    def confidence(self) -> float | None:
        """Mean confidence over the person's pixels, 0 without pixels; None if not given."""
        return self.arrays().confidence

    def arrays(self) -> ChartArrays:
        """The same with arrays in place of tensors."""
        own = self.map(lambda values: values.detach().cpu())
        return ChartArrays(
            own.labels.numpy(),
            own.uv.float().numpy(),
            None if own.mask is None else own.mask.numpy(),
            {name: _as_array(values) for name, values in own.fields.items()},
            own.xy,
        )

    def confident(self, minimum: float) -> ChartResult:
        """Copy in which pixels of less confidence are background.

        Args:
            minimum: Least confidence that stays, 0 to 1.

        Raises:
            ValueError: There is no confidence, or the least is no share.
        """
        if not 0 <= minimum <= 1:
            raise ValueError(f"min_confidence={minimum}: expected 0 to 1")
        values = self.confidence_map
        if values is None:
            raise ValueError(
                "min_confidence: this model gives no confidence; use one with the map sigma_2, or "
                "set decoder.chart_confidence=True (docs/confidence.md)"
            )
        stays = values >= minimum
        return ChartResult(
            self.labels * stays,
            self.uv * stays,
            self.mask,
            {name: field * stays for name, field in self.fields.items()},
            self.xy,
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

    def iuv_uint8(self) -> NDArray[np.uint8]:
        """Code as bytes: I, clamp(255 U), clamp(255 V), truncated.

        Returns:
            (3, H, W) uint8.
        """
        return self.arrays().iuv_uint8()

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

    def to_official(
        self,
        image_id: int,
        box_xyxy: Tensor | NDArray[np.float64] | list[float],
        score: float,
        category_id: int = 1,
    ) -> dict[str, Any]:
        """Make one entry of an official result file.

        Args:
            image_id: COCO image id.
            box_xyxy: (4,) box in original image pixels.
            score: Detection score.
            category_id: The person's number in the annotation file; COCO's by default.

        Returns:
            The official keys, and `confidence` of the person where the result has one.

        Raises:
            ValueError: The maps do not have the integer size of the box.
        """
        return self.arrays().to_official(image_id, box_xyxy, score, category_id)

    @classmethod
    def from_official(cls, entry: dict[str, Any]) -> ChartResult:
        """Read the maps of one entry of an official result file; box and score stay there."""
        return cls.from_iuv_uint8(decode_png(entry["uv_data"], tuple(entry["uv_shape"])))


class ChartResults(InstanceList[ChartResult]):
    """Decoded dense pose of the N boxes of an image; a field of `pred_instances`."""


def _as_array(values: Tensor) -> NDArray[Any]:
    """Numpy knows no bfloat16, and nobody wants half."""
    return (values.float() if values.is_floating_point() else values).numpy()
