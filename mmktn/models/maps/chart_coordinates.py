"""Maps of the chart coordinates U and V, one channel per chart."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mmktn.models.losses.loss_context import LossContext
from mmktn.models.losses.uv_loss import chart_coordinate_loss
from mmktn.models.maps.segmentation import permuted
from mmktn.structures import DenseMap, FlipRules, declare_map
from mmktn.structures.map_table import Maps


class ChartCoordinate(DenseMap):
    """One coordinate in each of 25 charts; channel 0 is never trained.

    Attributes:
        coordinate: 0 for U, 1 for V.
    """

    channels = 25
    weight = 0.01
    coordinate: ClassVar[int]

    def loss(self, output: Maps, context: LossContext) -> Tensor:
        """Smooth L1 at annotated points, in the true chart."""
        return chart_coordinate_loss(
            output[self.name],
            context.targets,
            coordinate=self.coordinate,
            half_pixel=context.half_pixel,
            cells=context.uv_cells,
            reduction=context.uv_reduction,
        )

    def label_count(self, output: Maps, context: LossContext) -> int:
        """Return the points on the surface, and cells labelled by a teacher."""
        cells = 0 if context.uv_cells is None else len(context.uv_cells)
        return context.targets.num_surface_points + cells

    def loss_scale(self, context: LossContext, share: float) -> float:
        """A sum needs no share of processes, but is quoted for a number of images."""
        return share if context.uv_reduction == "mean" else context.sum_scale()

    def bound(self, maps: Tensor) -> Tensor:
        """Cut to [0, 1]: the tables of the mirror exist there only."""
        return maps.clamp(0, 1)

    def average(self, views: Sequence[Maps], *, uv_by_chart: bool = False) -> Tensor:
        """Mean, with `uv_by_chart` weighted by each view's probability of the chart."""
        stacked = torch.stack([view[self.name].float() for view in views])
        if not uv_by_chart:
            return stacked.mean(dim=0)
        fine = torch.stack([view["fine_segm"].float() for view in views])
        # Shares of the views in a chart's probability; differences of logarithms cannot underflow
        # where no view believes in the chart.
        shares = fine.log_softmax(dim=2).softmax(dim=0)
        return (shares * stacked).sum(dim=0)


@declare_map
class ChartU(ChartCoordinate):
    """Chart coordinate U."""

    name = "u"
    loss_name = "loss_u"
    coordinate = 0

    def flip(self, mirrored: Maps, rules: FlipRules) -> dict[str, Tensor]:
        """U and V go through each chart's table (256 steps), then left and right swap.

        No gradient passes.

        Raises:
            ValueError: The rules have no UV tables.
        """
        if rules.flip_uv is None:
            raise ValueError("u, v: cannot be flipped without the surface's UV symmetry tables")
        bounded = (mirrored[name].detach().float().clamp(0, 1) for name in "uv")
        u, v = (maps.cpu().numpy() for maps in bounded)
        numbers = np.arange(u.shape[1])[:, None, None]
        flipped = rules.flip_uv(np.broadcast_to(numbers, u.shape), u, v)
        return {
            name: permuted(torch.from_numpy(values).to(mirrored[name]), rules.chart_flip)
            for name, values in zip("uv", flipped, strict=True)
        }


@declare_map
class ChartV(ChartCoordinate):
    """Chart coordinate V."""

    name = "v"
    loss_name = "loss_v"
    coordinate = 1

    def flip(self, mirrored: Maps, rules: FlipRules) -> dict[str, Tensor]:
        """Return nothing where U is there, which mirrors V as well."""
        return {} if "u" in mirrored else ChartU().flip(mirrored, rules)
