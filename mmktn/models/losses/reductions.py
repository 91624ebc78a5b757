"""Reductions that keep the graph whole when there is nothing to learn from, or over processes."""

from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor


def zero_connected_to(maps: Tensor) -> Tensor:
    """Give a zero whose gradient reaches `maps` (as zeros): all ranks then run the same graph.

    Args:
        maps: Any shape, possibly empty.

    Returns:
        Scalar 0. Non-finite values do not spread: nothing is computed from them.
    """
    return maps.flatten()[:0].sum()


def process_shares(counts: Sequence[int], device: torch.device) -> list[float]:
    """Give what turns this process's means into parts of the mean over all processes.

    Distributed training averages gradients over processes. A mean over `n` local items times
    `n / (mean n over processes)` therefore adds up to the mean over the items of all processes.

    Args:
        counts: Numbers of local items, one a loss; every process passes as many.
        device: Device the processes talk on.

    Returns:
        One factor a count; 1 in a single process and where no process has an item.
    """
    if get_world_size() == 1:
        return [1.0] * len(counts)
    mean = torch.tensor(counts, dtype=torch.float64, device=device)
    all_reduce(mean, op="mean")
    return [n / m if m else 1.0 for n, m in zip(counts, mean.tolist(), strict=True)]
