"""Decoded continuous surface embedding of a box: the vertex of a mesh at every pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mmktn.structures.chart_result import ChartResult
from mmktn.structures.instance_list import InstanceList


@dataclass
class VertexResult:
    """Vertices of one box.

    Attributes:
        mask: (H, W) bool, pixels of the person or animal. Vertex 0 is a vertex as well: outside of
            the mask the maps hold 0 and mean nothing.
        mesh: Name of the mesh of the box's category.
        vertices: Name of a mesh -> (H, W) int32 nearest vertex; `mesh` is among them, others where
            the decoder was asked for them.
        xy: Column and row of the top-left pixel in the image, which it may leave.
    """

    mask: Tensor
    mesh: str
    vertices: dict[str, Tensor] = field(default_factory=dict)
    xy: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        """Check that the maps agree.

        Raises:
            ValueError: A shape is wrong, or the mesh of the category is missing.
        """
        if self.mask.ndim != 2:
            raise ValueError(f"mask: shape {tuple(self.mask.shape)}, not (H, W)")
        if self.mesh not in self.vertices:
            raise ValueError(f"vertices: {self.mesh!r} is not among {list(self.vertices)}")
        for name, values in self.vertices.items():
            if values.shape != self.mask.shape:
                raise ValueError(
                    f"vertices[{name!r}]: shape {tuple(values.shape)}, not {tuple(self.mask.shape)}"
                )

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.mask.shape[0], self.mask.shape[1]

    @property
    def box_xyxy(self) -> tuple[int, int, int, int]:
        """The box of pixels that the result covers; x2, y2 lie behind the last one."""
        (x, y), (height, width) = self.xy, self.hw
        return x, y, x + width, y + height

    @property
    def vertex_map(self) -> Tensor:
        """(H, W) int32 vertices of `mesh`, -1 outside the mask."""
        return torch.where(self.mask, self.vertices[self.mesh], -1)

    def map(self, function: Callable[[Tensor], Tensor]) -> VertexResult:
        """Apply a function to every tensor."""
        vertices = {name: function(values) for name, values in self.vertices.items()}
        return VertexResult(function(self.mask), self.mesh, vertices, self.xy)

    def lookup(self, values: Any) -> Tensor:
        """Return the values of the vertices of `mesh` at every pixel.

        Args:
            values: (K, ...) array of the vertices: colours, texture coordinates, positions.

        Returns:
            (H, W, ...), 0 outside the mask.
        """
        table = torch.as_tensor(values).to(self.mask.device)
        found = table[self.vertices[self.mesh].long()]
        keep = self.mask.view(*self.mask.shape, *[1] * (found.ndim - 2))
        return torch.where(keep, found, torch.zeros_like(found))

    def to_charts(self, charts: Any = None, uv: Any = None) -> ChartResult:
        """Return the same through a surface, as I, U, V.

        Args:
            charts: (K,) chart of each vertex of `mesh` (`ReferenceMesh.charts`); None where the
                mesh has no charts: labels, U and V are 0 then, and the mask alone says something.
            uv: (K, 2) its U, V.

        Returns:
            Charts on the same pixels, with the mask.
        """
        if charts is None:
            labels = torch.zeros_like(self.mask, dtype=torch.uint8)
            uv = torch.zeros(2, *self.hw, device=self.mask.device)
            return ChartResult(labels, uv, self.mask, {}, self.xy)
        labels = self.lookup(charts).to(torch.uint8)
        found = self.lookup(uv).permute(2, 0, 1).float()
        return ChartResult(labels, found, self.mask, {}, self.xy)


class VertexResults(InstanceList[VertexResult]):
    """Vertices of the N boxes of an image; the field `vertices` of `pred_instances`."""
