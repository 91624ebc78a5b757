"""Zero losses that keep the graph of all processes equal, and means over all processes."""

from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor


def zero_connected_to(maps: Tensor) -> Tensor:
    """Return a zero that depends on `maps`: their gradient is zero, and all ranks run one graph.

    Args:
        maps: Any shape, possibly empty.

    Returns:
        Scalar 0. Non-finite values do not spread: nothing is computed from them.
    """
    return maps.flatten()[:0].sum()


def process_shares(counts: Sequence[int], device: torch.device) -> list[float]:
    """Return factors that turn means of this process into its parts of the global means.

    Distributed training averages gradients over processes. A mean over `n` local items times
    `n / (mean n over processes)` therefore adds up to the mean over the items of all processes.

    Args:
        counts: Numbers of local items, one per loss; every process passes as many.
        device: Device the processes talk on.

    Returns:
        One factor per count; 1 in a single process and where no process has an item.
    """
    if get_world_size() == 1:
        return [1.0] * len(counts)
    mean = torch.tensor(counts, dtype=torch.float64, device=device)
    all_reduce(mean, op="mean")
    return [n / m if m else 1.0 for n, m in zip(counts, mean.tolist(), strict=True)]
