"""Nearest vertex of many pixels, exact, in bounded time and memory.

Neighbouring pixels have similar vectors, so blocks of pixels are compared with the vertices first.
Where every vector of a block lies within r of its middle c, vertex k can be nearer than vertex j to
one of them only if c lies less than r behind the plane midway between the two. Vertices that no
pixel of a block can choose are left out, for large blocks, then for those inside them, then pixel
by pixel. Nothing is approximated: vectors without any order are compared with all vertices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_SIDES = (64, 32, 8)
"""Sides of the blocks in pixels; each is a multiple of the next."""
_BLOCK_VALUES = 2**21
# Sums of products of unit vectors are off by 1e-6 at most, in float32. A bound a + b with such a b
# is below the root of 1.01 a^2 + 101 b^2.
_ROOM, _ROUNDING = 1.01, 4e-10
_ROUNDING_OF_SQUARES = 1e-6
# Fewer comparisons than this are made outright.
_FEW = 2**24


def nearest_vertices(
    embedding: Tensor, mask: Tensor, vertices: Tensor, *, block_values: int = _BLOCK_VALUES
) -> Tensor:
    """Nearest vertex of every pixel of a mask, by squared distance.

    Args:
        embedding: (h, w, D) vectors.
        mask: (h, w) bool.
        vertices: (K, D) vectors of the vertices.
        block_values: Distances held at a time, which bounds memory.

    Returns:
        (h, w) int32, 0 outside the mask; the first of equally near ones.
    """
    result = torch.zeros(mask.shape, dtype=torch.int32, device=mask.device)
    rows, columns = mask.nonzero(as_tuple=True)
    if not len(rows):
        return result
    vectors, vertices = embedding[rows, columns].float(), vertices.float()
    if vectors.is_cuda or len(vectors) * len(vertices) <= _FEW:
        chosen = compare_with_all(vectors, vertices, block_values=block_values)
    else:
        chosen = _compare_by_blocks(vectors, rows, columns, vertices, block_values)
    result[rows, columns] = chosen.int()
    return result


def compare_with_all(
    vectors: Tensor, vertices: Tensor, *, block_values: int = _BLOCK_VALUES
) -> Tensor:
    """Nearest of K vertices (K, D) for vectors (N, D), all compared: (N,) int64."""
    half = vertices.square().sum(dim=1) / 2
    step = max(1, block_values // max(len(vertices), 1))
    parts = [
        torch.addmm(half, part, vertices.T, alpha=-1).min(dim=1).indices
        for part in vectors.split(step)
    ]
    return torch.cat(parts)


@dataclass
class _Candidates:
    """Vertices that B blocks may choose: `index[start[b] : start[b] + count[b]]`, ascending."""

    index: Tensor
    start: Tensor
    count: Tensor

    def padded(self, blocks: Tensor) -> Tensor:
        """(P, C) vertices of some blocks; short lists repeat their first entry."""
        count = self.count[blocks]
        place = torch.arange(int(count.max()), device=count.device)
        place = torch.where(place < count[:, None], place, 0)
        return self.index[self.start[blocks][:, None] + place]


def _compare_by_blocks(
    vectors: Tensor, rows: Tensor, columns: Tensor, vertices: Tensor, block_values: int
) -> Tensor:
    """As `compare_with_all`, for pixels at `rows` and `columns` (N,)."""
    device = vectors.device
    length = float(vertices.norm(dim=1).max())
    vertices, vectors = vertices / max(length, 1e-12), vectors / max(length, 1e-12)
    if float((vertices.norm(dim=1) - 1).abs().max()) < 1e-4:
        # The length of a vector has no say among unit vertices; without it bounds are tighter.
        vectors = vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-12)
    order, levels = _by_place(rows, columns)
    vectors = vectors[order]
    half = vertices.square().sum(dim=1, keepdim=True) / 2
    # With these columns one product of matrices gives closeness, distance and what is added.
    table = torch.cat([vertices, half, torch.ones_like(half)], dim=1)
    candidates = _Candidates(
        torch.arange(len(vertices), device=device),
        torch.zeros(1, dtype=torch.int64, device=device),
        torch.full((1,), len(vertices), device=device),
    )
    outer = torch.zeros(len(vectors), dtype=torch.int64, device=device)
    for inner in levels:
        candidates = _narrowed(vectors, outer, inner, candidates, table, block_values)
        outer = inner
    chosen = torch.empty(len(vectors), dtype=torch.int64, device=device)
    for parents, members in _chunks(outer, candidates, block_values):
        options = candidates.padded(parents)
        closeness = torch.bmm(_asking(vectors[members]), table[options].mT)
        chosen[members] = options.gather(1, closeness.max(dim=2).indices)
    result = torch.empty_like(chosen)
    result[order] = chosen
    return result


def _asking(vectors: Tensor) -> Tensor:
    """Vectors (P, M, D + 2) whose products with the table are closeness; large is near."""
    shape = (*vectors.shape[:2], 1)
    return torch.cat([vectors, -vectors.new_ones(shape), vectors.new_zeros(shape)], dim=2)


def _by_place(rows: Tensor, columns: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Order (N,) in which the pixels of a block lie together; their block (N,) at each level."""
    width = int(columns.max()) + 1
    key = torch.zeros_like(rows)
    outer = 0
    keys = []
    for side in _SIDES:
        # Blocks across the picture at first, then across the outer block.
        across = -(-width // side) if not outer else outer // side
        y, x = (rows, columns) if not outer else (rows % outer, columns % outer)
        tall = (y // side) * across + x // side
        key = key * (1 if not outer else across * across) + tall
        keys.append(key)
        outer = side
    order = key.argsort(stable=True)
    return order, [each[order].unique_consecutive(return_inverse=True)[1] for each in keys]


def _narrowed(
    vectors: Tensor,
    outer: Tensor,
    inner: Tensor,
    candidates: _Candidates,
    table: Tensor,
    block_values: int,
) -> _Candidates:
    """Candidates of inner blocks among those of the outer blocks that they lie in."""
    count = inner.bincount()
    middle = torch.zeros(len(count), vectors.shape[1], device=vectors.device)
    middle.index_add_(0, inner, vectors)
    middle /= count[:, None]
    spread = (vectors - middle[inner]).square().sum(dim=1)
    squared_radius = torch.zeros(len(count), device=vectors.device)
    squared_radius.scatter_reduce_(0, inner, spread, "amax")
    parent_of = outer[count.cumsum(0) - 1]
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for parents, members in _chunks(parent_of, candidates, block_values):
        options = candidates.padded(parents)
        of_options = table[options].mT
        behind = torch.bmm(_asking(middle[members]), of_options)
        best = behind.max(dim=2)
        behind -= best.values[..., None]
        nearest = table[options.gather(1, best.indices)]
        # k may be nearer than j somewhere in the block if it is behind by no more than the radius
        # times the distance of k from j, which is the root of 2 (|j|^2 / 2 + |k|^2 / 2 - j k).
        reach = (2 * _ROOM) * squared_radius[members][..., None]
        half = nearest[..., -2:-1]
        limit = torch.cat(
            [-reach * nearest[..., :-2], reach, reach * (half + _ROUNDING_OF_SQUARES) + _ROUNDING],
            dim=2,
        )
        kept = torch.bmm(limit, of_options).addcmul_(behind, behind, value=-1) >= 0
        # Not the repetitions at the end of short lists, nor those of short groups of blocks.
        first = torch.ones_like(members, dtype=torch.bool)
        first[:, 1:] = members[:, 1:] != members[:, :-1]
        group, member, place = kept.nonzero(as_tuple=True)
        real = (place < candidates.count[parents][group]) & first[group, member]
        group, member, place = group[real], member[real], place[real]
        blocks = members[group, member]
        found.append((members[first], blocks, options[group, place]))
    index = torch.cat([part[2] for part in found])
    total = torch.cat([part[1] for part in found]).bincount(minlength=len(count))
    # Entries lie chunk by chunk, and in a chunk in the order of its blocks.
    blocks = torch.cat([part[0] for part in found])
    start = torch.empty_like(total)
    start[blocks] = total[blocks].cumsum(0) - total[blocks]
    return _Candidates(index, start, total)


def _chunks(
    parent_of: Tensor, candidates: _Candidates, block_values: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Parents (P,) of similar numbers of candidates with their members (P, M).

    Members are entries of `parent_of` (N,), which is ascending; shorter groups repeat their last.
    """
    members = parent_of.bincount(minlength=len(candidates.count))
    start = members.cumsum(0) - members
    order = candidates.count.argsort()
    order = order[members[order] > 0]
    sizes, lists = members[order].tolist(), candidates.count[order].tolist()
    begin = 0
    while begin < len(order):
        end, most, longest = begin, 0, 0
        while end < len(order):
            most, longest = max(most, sizes[end]), max(longest, lists[end])
            if end > begin and (end + 1 - begin) * most * longest > block_values:
                break
            end += 1
        parents = order[begin:end]
        place = torch.arange(int(members[parents].max()), device=order.device)
        place = torch.minimum(place, members[parents][:, None] - 1)
        yield parents, start[parents][:, None] + place
        begin = end
