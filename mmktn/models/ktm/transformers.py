"""Perceptrons of the knowledge transfer machine: the full one of the papers and two cheap ones.

The papers have two full layers, 209.7 M weights in version 2, of which training needs gradient and
momentum as well. 'low_rank' writes each layer's matrix as a product of two thin ones; 'grouped'
makes it block-diagonal over channels and shuffles between the layers. Both start with generated
kernels of the same scale as the full form, and fold like it.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

NEGATIVE_SLOPE = 0.02
KINDS = ("full", "low_rank", "grouped")


def build_transformer(
    source_dims: Mapping[str, int],
    out_dim: int,
    *,
    kind: str = "full",
    rank: int = 256,
    groups: int = 16,
) -> nn.Sequential:
    """Build layer, LeakyReLU, layer.

    Args:
        source_dims: Source -> length of its rows; they stand side by side in this order.
        out_dim: Length of hidden and generated rows.
        kind: 'full', 'low_rank' or 'grouped'.
        rank: Rank of both layers, for 'low_rank'.
        groups: Blocks of both layers, for 'grouped'; every row length has to be a multiple.

    Returns:
        Module from (25, sum of dims) to (25, out_dim), which computes in the dtype of its input.

    Raises:
        ValueError: Unknown kind, or a rank or number of groups that does not fit.
    """
    dims = list(source_dims.values())
    if kind == "full":
        layers: list[nn.Module] = [FullLinear(sum(dims), out_dim), FullLinear(out_dim, out_dim)]
    elif kind == "low_rank":
        layers = [LowRankLinear(size, out_dim, rank=rank) for size in (sum(dims), out_dim)]
    elif kind == "grouped":
        layers = [
            GroupedLinear(dims, out_dim, groups=groups),
            GroupedLinear([out_dim], out_dim, groups=groups, shuffle=True),
        ]
    else:
        raise ValueError(f"transformer kind has to be one of {KINDS}, got {kind!r}")
    return nn.Sequential(layers[0], nn.LeakyReLU(NEGATIVE_SLOPE), layers[1])


class FullLinear(nn.Linear):
    """Linear layer with kaiming-out weights and zero bias.

    Args:
        in_features: Length of the rows.
        out_features: Length of the results.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, device="meta")
        # PyTorch's own initialisation of 142 M weights, to be overwritten at once, takes seconds.
        self.to_empty(device=torch.zeros(0).device)  # follows `with torch.device(...)`
        nn.init.normal_(self.weight, std=math.sqrt(2.0 / out_features))
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_features) to (N, out_features) in the dtype of x."""
        return nn.functional.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


class LowRankLinear(nn.Module):
    """Linear layer whose matrix (out, in) is `up @ down`.

    `down` keeps the expected length of a row and `up` is kaiming-out, so entries of the product
    have the variance 2 / out of the full layer.

    Args:
        in_features: Length of the rows.
        out_features: Length of the results.
        rank: Columns of `up` and rows of `down`.

    Raises:
        ValueError: The rank is not between 1 and the smaller side.
    """

    def __init__(self, in_features: int, out_features: int, *, rank: int) -> None:
        super().__init__()
        if not 1 <= rank <= min(in_features, out_features):
            raise ValueError(
                f"rank={rank} of a {out_features} x {in_features} matrix: 1 to "
                f"{min(in_features, out_features)} is possible"
            )
        self.down = nn.Parameter(torch.empty(rank, in_features))
        self.up = nn.Parameter(torch.empty(out_features, rank))
        nn.init.normal_(self.down, std=rank**-0.5)
        nn.init.normal_(self.up, std=math.sqrt(2.0 / out_features))
        self.bias = nn.Parameter(torch.zeros(out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_features) to (N, out_features) in the dtype of x."""
        thin = nn.functional.linear(x, self.down.to(x.dtype))
        return nn.functional.linear(thin, self.up.to(x.dtype), self.bias.to(x.dtype))


class GroupedLinear(nn.Module):
    """Block-diagonal linear layer: slice j of every input part makes slice j of the result.

    A row is a flattened kernel (C, k, k), hence a slice holds neighbouring channels, the same of
    every source. Weights are kaiming-out in each block, whose inputs are 1 / groups of the row:
    results have the scale of the full layer.

    Args:
        in_parts: Lengths of the parts that stand side by side in a row.
        out_features: Length of the results.
        groups: Number of blocks.
        shuffle: Take every `groups`-th element into a slice instead of neighbours, so that slices
            of the layer before meet here.

    Raises:
        ValueError: A length is not a multiple of `groups`.
    """

    def __init__(
        self, in_parts: Sequence[int], out_features: int, *, groups: int, shuffle: bool = False
    ) -> None:
        super().__init__()
        if groups < 1 or any(size % groups for size in (*in_parts, out_features)):
            raise ValueError(
                f"groups={groups} has to divide every row length: {[*in_parts, out_features]}"
            )
        self.in_parts = list(in_parts)
        self.groups = groups
        self.shuffle = shuffle
        shape = (groups, sum(in_parts) // groups, out_features // groups)
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.normal_(self.weight, std=math.sqrt(2.0 / shape[2]))
        self.bias = nn.Parameter(torch.zeros(out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, sum of in_parts) to (N, out_features) in the dtype of x."""
        slices = torch.cat([self._slices(part) for part in x.split(self.in_parts, dim=1)], dim=2)
        y = torch.bmm(slices.transpose(0, 1), self.weight.to(x.dtype))  # (groups, N, out / groups)
        return y.transpose(0, 1).flatten(1) + self.bias.to(x.dtype)

    def _slices(self, part: Tensor) -> Tensor:
        """(N, D) -> (N, groups, D / groups)."""
        if self.shuffle:
            return part.unflatten(1, (-1, self.groups)).transpose(1, 2)
        return part.unflatten(1, (self.groups, -1))
