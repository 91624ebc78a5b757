"""Raw maps that a DensePose head gives for N RoIs or crops, before decoding.

Methods 1.2, 6.4, 8.1. Where the official code passes tuples whose length and order differ between
predictors, every map here has a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor, cat

from mmktn.structures.instance_list import move_tensor


@dataclass
class ChartOutput:
    """Maps of N instances on one h x w grid of cells; logits except for `u` and `v`.

    Attributes:
        fine_segm: (N, 25, h, w) logits of background and 24 charts.
        u: (N, 25, h, w) chart coordinate U, one channel a chart (channel 0 is never trained).
        v: (N, 25, h, w) chart coordinate V.
        coarse_segm: (N, D, h, w) logits, D = 2 (person or not) or 15 (background and 14 parts);
            None if not predicted.
        body_mask: (N, 2, h, w) logits, where a binary mask is predicted beside 15-way parts; None
            if not.
        keypoint_heatmaps: (N, K, h, w) logits; their h, w may differ from the other maps. None if
            not predicted.
    """

    fine_segm: Tensor
    u: Tensor
    v: Tensor
    coarse_segm: Tensor | None = None
    body_mask: Tensor | None = None
    keypoint_heatmaps: Tensor | None = None

    def __len__(self) -> int:
        return len(self.fine_segm)

    def __getitem__(self, index: int | slice | list[int] | Tensor) -> ChartOutput:
        """Take instances; an int keeps the dimension (a batch of one).

        Raises:
            IndexError: The int is out of range.
        """
        if isinstance(index, int):
            if not -len(self) <= index < len(self):
                raise IndexError(f"ChartOutput: index {index} for {len(self)} instances")
            index = [index]
        return self.map(lambda maps: maps[index])

    @property
    def map_hw(self) -> tuple[int, int]:
        """Size of the chart maps in cells."""
        return self.fine_segm.shape[-2], self.fine_segm.shape[-1]

    def fields(self) -> Iterator[tuple[str, Tensor]]:
        """Iterate over (name, maps) of the maps that are present."""
        for field in fields(self):
            maps = getattr(self, field.name)
            if maps is not None:
                yield field.name, maps

    def map(self, function: Callable[[Tensor], Tensor]) -> ChartOutput:
        """Apply a function to every map that is present."""
        return ChartOutput(**{name: function(maps) for name, maps in self.fields()})

    def to(self, *args: Any, **kwargs: Any) -> ChartOutput:
        """Move or cast all maps; arguments as `Tensor.to`."""
        return self.map(lambda maps: move_tensor(maps, *args, **kwargs))

    def detach(self) -> ChartOutput:
        """Detach all maps from the graph."""
        return self.map(Tensor.detach)

    @staticmethod
    def cat(outputs: list[ChartOutput]) -> ChartOutput:
        """Join outputs along N.

        Raises:
            ValueError: Nothing to join, or the outputs carry different maps.
        """
        if not outputs:
            raise ValueError("cat needs at least one ChartOutput")
        names = [[name for name, _ in output.fields()] for output in outputs]
        if any(other != names[0] for other in names):
            raise ValueError(f"ChartOutput.cat: the outputs carry different maps: {names}")
        return ChartOutput(
            **{name: cat([getattr(output, name) for output in outputs]) for name in names[0]}
        )
