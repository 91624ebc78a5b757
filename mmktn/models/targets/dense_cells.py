"""Cells of RoI maps that a teacher labelled: which train the classifier, which U and V.

Where an annotated point lies, the annotation counts and the cell is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmktn.models.targets.chart_targets import ChartTargets


@dataclass
class DenseCells:
    """Labelled cells of maps of one size.

    Attributes:
        roi_index: (Q,) RoI of each cell, in groups.
        rows: (Q,) int64.
        columns: (Q,) int64.
        charts: (Q,) int64 1..24.
        uv: (Q, 2) float32.
        person: (Q,) person of each cell, ascending.
    """

    roi_index: Tensor
    rows: Tensor
    columns: Tensor
    charts: Tensor
    uv: Tensor
    person: Tensor

    def __len__(self) -> int:
        return len(self.roi_index)

    def __getitem__(self, index: Tensor) -> DenseCells:
        """Take cells by ids or by a mask."""
        return DenseCells(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def draw(self, limit: int) -> DenseCells:
        """Draw at most `limit` cells of each person, without repetition, from torch's generator."""
        return self._draw(self.person, limit)

    def draw_from_charts(self, limit: int) -> DenseCells:
        """Draw at most `limit` cells of each chart of each person, as annotators are asked to."""
        return self._draw(self.person * 256 + self.charts, limit)  # a chart is stored in a byte

    def _draw(self, group: Tensor, limit: int) -> DenseCells:
        """Draw at most `limit` cells of each group, whose number is given for each cell (Q,)."""
        # float64 keeps group + fraction apart for any number of groups that fits in memory.
        keys = group + torch.rand(len(self), device=self.rows.device, dtype=torch.float64)
        order = torch.argsort(keys)
        groups = group[order]
        first = torch.searchsorted(groups, groups)
        rank = torch.arange(len(self), device=self.rows.device) - first
        return self[order[rank < limit]]


def find_dense_cells(
    targets: ChartTargets,
    map_hw: tuple[int, int],
    *,
    half_pixel: bool = False,
    min_confidence: float = 0.0,
) -> DenseCells | None:
    """Find the labelled cells that hold no annotated point.

    Args:
        targets: Targets of N RoIs.
        map_hw: Size of the maps in cells.
        half_pixel: Whether losses put cell centres at index + 0.5.
        min_confidence: Labels below are left out.

    Returns:
        The cells; None if no person has dense labels.
    """
    if targets.dense_labels is None or targets.dense_index is None:
        return None
    charts, uv, confidence = targets.dense_target(map_hw, half_pixel=half_pixel)
    labelled = (charts > 0) & (confidence >= min_confidence)
    if targets.num_surface_points:
        # The nearest cell of each point, on every map of its RoI.
        grid = targets.point_grid(map_hw, half_pixel=half_pixel)[: targets.num_surface_points]
        h, w = map_hw
        cell = grid.round().long()
        flat = cell[:, 1].clamp(0, h - 1) * w + cell[:, 0].clamp(0, w - 1)
        taken = torch.zeros(len(targets), h * w, dtype=torch.bool, device=charts.device)
        taken[targets.roi_index[: targets.num_surface_points], flat] = True
        labelled &= ~taken[targets.dense_index].view_as(labelled)
    person, rows, columns = labelled.nonzero(as_tuple=True)
    return DenseCells(
        roi_index=targets.dense_index[person],
        rows=rows,
        columns=columns,
        charts=charts[person, rows, columns],
        uv=uv[person, :, rows, columns],
        person=person,
    )
