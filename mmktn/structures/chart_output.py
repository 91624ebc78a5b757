"""Raw maps that a DensePose head gives for N RoIs or crops, before decoding.

Methods 1.2, 6.4, 8.1. Where the official code passes tuples whose length and order differ between
predictors, every map here has a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, cat

from mmktn.structures.densepose_annotation import FlipRules
from mmktn.structures.instance_list import move_tensor

_NUM_PART_CHANNELS = 15


@dataclass
class ChartOutput:
    """Maps of N instances on one h x w grid of cells; logits except for `u` and `v`.

    Attributes:
        fine_segm: (N, 25, h, w) logits of background and 24 charts; this and `u`, `v` are None in
            systems that learn parts, masks or keypoints alone.
        u: (N, 25, h, w) chart coordinate U, one channel a chart (channel 0 is never trained).
        v: (N, 25, h, w) chart coordinate V.
        coarse_segm: (N, D, h, w) logits, D = 2 (person or not) or 15 (background and 14 parts);
            None if not predicted.
        body_mask: (N, 2, h, w) logits, where a binary mask is predicted beside 15-way parts; None
            if not.
        keypoint_heatmaps: (N, K, h, w) logits; their h, w may differ from the other maps. None if
            not predicted.
    """

    fine_segm: Tensor | None = None
    u: Tensor | None = None
    v: Tensor | None = None
    coarse_segm: Tensor | None = None
    body_mask: Tensor | None = None
    keypoint_heatmaps: Tensor | None = None

    def __post_init__(self) -> None:
        """Check that there is a map.

        Raises:
            ValueError: All maps are None.
        """
        if next(self.fields(), None) is None:
            raise ValueError("ChartOutput: no map is given")

    def __len__(self) -> int:
        return len(next(self.fields())[1])

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
        fine_segm = self.require("fine_segm")
        return fine_segm.shape[-2], fine_segm.shape[-1]

    def require(self, name: str) -> Tensor:
        """Give a map that has to be there.

        Raises:
            ValueError: It is not predicted.
        """
        maps: Tensor | None = getattr(self, name)
        if maps is None:
            present = [present for present, _ in self.fields()]
            raise ValueError(f"{name} is not predicted; these maps are: {present}")
        return maps

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

    def flip(self, rules: FlipRules) -> ChartOutput:
        """Mirror left to right, for averaging with maps of a mirrored image (methods 16).

        U and V of each chart go through that chart's table (256 steps), then the channels of left
        and right swap. No gradient passes through U and V.

        Args:
            rules: Tables of the surface.

        Returns:
            Maps of the mirrored person on the mirrored grid.

        Raises:
            ValueError: There are charts, but the rules have no UV tables.
        """
        maps = {name: item.flip(-1) for name, item in self.fields()}
        if self.fine_segm is not None:
            maps["fine_segm"] = _permuted(maps["fine_segm"], rules.chart_flip)
        if "u" in maps:
            if rules.flip_uv is None:
                raise ValueError("u, v: cannot be flipped without the surface's UV symmetry tables")
            u, v = (maps[name].detach().float().clamp(0, 1).cpu().numpy() for name in ("u", "v"))
            numbers = np.arange(u.shape[1])[:, None, None]
            flipped = rules.flip_uv(np.broadcast_to(numbers, u.shape), u, v)
            for name, values in zip("uv", flipped, strict=True):
                maps[name] = _permuted(torch.from_numpy(values).to(maps[name]), rules.chart_flip)
        if self.coarse_segm is not None and self.coarse_segm.shape[1] == _NUM_PART_CHANNELS:
            maps["coarse_segm"] = _permuted(maps["coarse_segm"], rules.coarse_flip)
        if self.keypoint_heatmaps is not None:
            maps["keypoint_heatmaps"] = _permuted(maps["keypoint_heatmaps"], rules.keypoint_flip)
        return ChartOutput(**maps)

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


def _permuted(maps: Tensor, table: NDArray[np.int64]) -> Tensor:
    """Maps (N, C, h, w) with their channels in the order of a permutation that undoes itself."""
    return maps[:, torch.tensor(table, device=maps.device)]
