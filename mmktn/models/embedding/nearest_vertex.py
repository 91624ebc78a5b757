"""Nearest vertex of many pixels, exact, in bounded time and memory.

Neighbouring pixels have similar vectors, and so have neighbouring vertices. Where every vector of a
block of pixels lies within r of its middle c, vertex k can be nearer than vertex j to one of them
only if c lies less than r behind the plane midway between the two. Groups of vertices that no pixel
of a block can choose are left out first, by their middle and radius, then single vertices of the
other groups; the rest is compared pixel by pixel. Nothing is approximated: vectors without any
order are compared with all vertices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

_OUTER, _INNER = 16, 8
"""Sides of the blocks in pixels; the first is a multiple of the second."""
_GROUP = 16
"""Vertices of a group, at most."""
_BLOCK_VALUES = 2**19
# Sums of products of unit vectors are off by 1e-6 at most, in float32. A bound a + b with such a b
# is below the root of 1.01 a^2 + 101 b^2.
_ROOM, _ROUNDING = 1.01, 4e-10
_ROUNDING_OF_SQUARES = 1e-6
# Fewer comparisons than this are made outright.
_FEW = 2**24


class VertexIndex:
    """Vectors of the vertices of a mesh, in groups of near ones.

    Args:
        vertices: (K, D) vectors.
    """

    def __init__(self, vertices: Tensor) -> None:
        self.vertices = vertices.float()

    @cached_property
    def length(self) -> float:
        """Of the longest vector, by which all are divided in the other tables."""
        return max(float(self.vertices.norm(dim=1).max()), 1e-12)

    @cached_property
    def scaled(self) -> Tensor:
        """(K, D) vectors of length 1 at most."""
        return self.vertices / self.length

    @cached_property
    def all_unit(self) -> bool:
        """Whether all of them have the same length."""
        return float((self.scaled.norm(dim=1) - 1).abs().max()) < 1e-4

    @cached_property
    def table(self) -> Tensor:
        """(K, D + 2) vectors, half their squared lengths, ones.

        With these columns one product of matrices gives closeness, distance and what is added.
        """
        half = self.scaled.square().sum(dim=1, keepdim=True) / 2
        return torch.cat([self.scaled, half, torch.ones_like(half)], dim=1)

    @cached_property
    def groups(self) -> Tensor:
        """(G, S) numbers of the vertices of each group; some come twice.

        Halves of the vertices along the axis of their widest spread, halves of the halves, ...
        """
        count = len(self.scaled)
        groups = torch.arange(count, device=self.scaled.device)[None]
        while groups.shape[1] > _GROUP:
            if groups.shape[1] % 2:
                groups = torch.cat([groups, groups[:, -1:]], dim=1)
            points = self.scaled[groups]
            axis = (points.amax(dim=1) - points.amin(dim=1)).argmax(dim=1)
            along = points.gather(2, axis[:, None, None].expand(-1, points.shape[1], 1))[..., 0]
            groups = groups.gather(1, along.argsort(dim=1)).reshape(2 * len(groups), -1)
        return groups

    @cached_property
    def grouped(self) -> Tensor:
        """(G, S, D + 2) rows of `table`."""
        return self.table[self.groups]

    @cached_property
    def middles(self) -> Tensor:
        """(G, D) middle of each group."""
        return self.grouped[..., :-2].mean(dim=1)

    @cached_property
    def radii(self) -> Tensor:
        """(G,) distance of the group's vertices from its middle, at most."""
        return self._from_middle.amax(dim=1) + _ROUNDING_OF_SQUARES

    @cached_property
    def inner(self) -> Tensor:
        """(G, D) the vertex next to the middle of each group."""
        nearest = self._from_middle.argmin(dim=1)
        return self.scaled[self.groups.gather(1, nearest[:, None])[:, 0]]

    @cached_property
    def reach(self) -> Tensor:
        """(G, G) distance of the vertices of a group (column) from an inner one (row), at most."""
        return torch.cdist(self.inner, self.middles) + (self.radii + 1e-3)

    @cached_property
    def _from_middle(self) -> Tensor:
        return (self.grouped[..., :-2] - self.middles[:, None]).norm(dim=2)


def nearest_vertices(
    embedding: Tensor,
    mask: Tensor,
    vertices: Tensor | VertexIndex,
    *,
    block_values: int = _BLOCK_VALUES,
) -> Tensor:
    """Return the nearest vertex of every pixel of a mask, by squared distance.

    Args:
        embedding: (h, w, D) vectors.
        mask: (h, w) bool.
        vertices: (K, D) vectors of the vertices; as `VertexIndex` for several pictures.
        block_values: Distances held at a time, which bounds memory.

    Returns:
        (h, w) int32, 0 outside the mask; the first of equally near ones.
    """
    result = torch.zeros(mask.shape, dtype=torch.int32, device=mask.device)
    rows, columns = mask.nonzero(as_tuple=True)
    if not len(rows):
        return result
    index = vertices if isinstance(vertices, VertexIndex) else VertexIndex(vertices)
    vectors = embedding[rows, columns].float()
    if vectors.is_cuda or len(vectors) * len(index.vertices) <= _FEW:
        chosen = compare_with_all(vectors, index.vertices, block_values=block_values)
    else:
        chosen = _compare_by_blocks(vectors, rows, columns, index, block_values)
    result[rows, columns] = chosen.int()
    return result


def compare_with_all(
    vectors: Tensor, vertices: Tensor, *, block_values: int = _BLOCK_VALUES
) -> Tensor:
    """Return the nearest of K vertices (K, D) for vectors (N, D), all compared: (N,) int64."""
    half = vertices.square().sum(dim=1) / 2
    step = max(1, block_values // max(len(vertices), 1))
    parts = [
        torch.addmm(half, part, vertices.T, alpha=-1).min(dim=1).indices
        for part in vectors.split(step)
    ]
    return torch.cat(parts)


@dataclass
class _Lists:
    """Lists of B blocks: `entries[start[b] : start[b] + count[b]]`."""

    entries: Tensor
    count: Tensor

    @cached_property
    def start(self) -> Tensor:
        """(B,) where each begins."""
        return self.count.cumsum(0) - self.count

    def padded(self, blocks: Tensor) -> Tensor:
        """Return (P, C) entries of some blocks; short lists repeat their last one."""
        count = self.count[blocks]
        place = torch.arange(int(count.max()), device=count.device)
        place = torch.minimum(place, count[:, None] - 1)
        return self.entries[self.start[blocks][:, None] + place]


class _Blocks:
    """B blocks of vectors.

    Args:
        vectors: (N, D), those of a block together.
        block: (N,) block of each, ascending.
    """

    def __init__(self, vectors: Tensor, block: Tensor) -> None:
        self.count = block.bincount()
        middle = torch.zeros(len(self.count), vectors.shape[1], device=vectors.device)
        self.middle = middle.index_add_(0, block, vectors) / self.count[:, None]
        spread = (vectors - self.middle[block]).square().sum(dim=1)
        self.squared_radius = torch.zeros(len(self.count), device=vectors.device)
        self.squared_radius.scatter_reduce_(0, block, spread, "amax")


def _compare_by_blocks(
    vectors: Tensor, rows: Tensor, columns: Tensor, index: VertexIndex, block_values: int
) -> Tensor:
    """As `compare_with_all`, for pixels at `rows` and `columns` (N,)."""
    vectors = vectors / index.length
    if index.all_unit:
        # The length of a vector has no say among unit vertices; without it bounds are tighter.
        vectors = vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-12)
    order, outer, inner = _by_place(rows, columns)
    vectors = vectors[order]
    blocks = _Blocks(vectors, inner)
    outer_of = outer[blocks.count.cumsum(0) - 1]
    groups = _groups_of(_Blocks(vectors, outer), index, block_values)
    lists = _vertices_of(blocks, outer_of, groups, index, block_values)
    chosen = torch.empty_like(order)
    for some, members in _chunks(lists.count, inner, block_values):
        options = lists.padded(some)
        closeness = torch.bmm(_asking(vectors[members]), _rows(index.table, options).mT)
        chosen[order[members]] = options.gather(1, closeness.max(dim=2).indices)
    return chosen


def _by_place(rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Order (N,) in which pixels of a block lie together; outer and inner block (N,) of each."""
    across = int(columns.max()) // _OUTER + 1
    outer = rows // _OUTER * across + columns // _OUTER
    side = _OUTER // _INNER
    inner = (outer * side + rows % _OUTER // _INNER) * side + columns % _OUTER // _INNER
    order = inner.argsort(stable=True)
    found = [each[order].unique_consecutive(return_inverse=True)[1] for each in (outer, inner)]
    return order, found[0], found[1]


def _asking(vectors: Tensor) -> Tensor:
    """Make vectors (P, M, D + 2) whose products with the table are closeness; large is near."""
    shape = (*vectors.shape[:2], 1)
    return torch.cat([vectors, -vectors.new_ones(shape), vectors.new_zeros(shape)], dim=2)


def _rows(table: Tensor, places: Tensor) -> Tensor:
    """Return (P, C, D) rows of a table (K, D) at places (P, C); faster than an index."""
    return table.index_select(0, places.flatten()).view(*places.shape, -1)


def _groups_of(blocks: _Blocks, index: VertexIndex, block_values: int) -> _Lists:
    """Return the groups with vertices that a block may choose."""
    parts = []
    step = max(1, block_values // len(index.groups))
    for some in torch.arange(len(blocks.count), device=blocks.count.device).split(step):
        middle, squared_radius = blocks.middle[some], blocks.squared_radius[some, None]
        lengths = middle.square().sum(dim=1, keepdim=True)
        squares = lengths + index.middles.square().sum(dim=1)
        squares.addmm_(middle, index.middles.T, alpha=-2)
        near = squares.argmin(dim=1)
        least = (middle - index.inner[near]).square().sum(dim=1, keepdim=True)
        # Vertices of a group may be nearer to c than its middle, by its radius.
        squares -= 2 * _ROUNDING_OF_SQUARES * (1 + lengths)
        apart = squares.clamp_(min=0).sqrt_().sub_(index.radii).clamp_(min=0)
        # Half the squared distance of c from k less that from j is made up for by r times the
        # distance of k from j, at most.
        slack = 1e-5 * (1 + lengths)
        limit = (2 * _ROOM) * squared_radius.sqrt() * index.reach[near]
        parts.append(apart.square_() <= limit.add_(least).add_(slack))
    block, group = torch.cat(parts).nonzero(as_tuple=True)
    return _Lists(group, block.bincount(minlength=len(blocks.count)))


def _vertices_of(
    blocks: _Blocks, outer_of: Tensor, groups: _Lists, index: VertexIndex, block_values: int
) -> _Lists:
    """Find the vertices that a block may choose, in the groups of its outer block (B,)."""
    size, total = index.groups.shape[1], len(index.vertices)
    found = []
    for some, members in _chunks(groups.count * size, outer_of, block_values):
        options = index.groups[groups.padded(some)].flatten(1)
        rows = _rows(index.table, options)
        behind = torch.bmm(_asking(blocks.middle[members]), rows.mT)
        best = behind.max(dim=2)
        behind -= best.values[..., None]
        nearest = index.table[options.gather(1, best.indices)]
        # k may be nearer than j somewhere in the block if it is behind by no more than the radius
        # times the distance of k from j, which is the root of 2 (|j|^2 / 2 + |k|^2 / 2 - j k).
        reach = (2 * _ROOM) * blocks.squared_radius[members][..., None]
        half = nearest[..., -2:-1]
        limit = torch.cat(
            [-reach * nearest[..., :-2], reach, reach * (half + _ROUNDING_OF_SQUARES) + _ROUNDING],
            dim=2,
        )
        kept = torch.bmm(limit, rows.mT).addcmul_(behind, behind, value=-1) >= 0
        group, member, place = kept.nonzero(as_tuple=True)
        found.append(members[group, member] * total + options[group, place])
    # Ascending, so that the first of equally near ones wins; repeated ones go.
    pairs = torch.cat(found).sort().values.unique_consecutive()
    block = pairs // total
    return _Lists(pairs - block * total, block.bincount(minlength=len(blocks.count)))


def _chunks(
    lengths: Tensor, parent_of: Tensor, block_values: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield parents (P,) with lists of similar lengths (of `lengths`), and their members (P, M).

    Members are entries of `parent_of` (N,), which is ascending; shorter groups repeat their last.
    """
    members = parent_of.bincount(minlength=len(lengths))
    start = members.cumsum(0) - members
    order = lengths.argsort()
    sizes, lists = members[order].tolist(), lengths[order].tolist()
    begin = 0
    while begin < len(order):
        end, most = begin, 0
        while end < len(order):
            most = max(most, sizes[end])
            if end > begin and (end + 1 - begin) * most * lists[end] > block_values:
                break
            end += 1
        parents = order[begin:end]
        place = torch.arange(int(members[parents].max()), device=order.device)
        place = torch.minimum(place, members[parents][:, None] - 1)
        yield parents, start[parents][:, None] + place
        begin = end
