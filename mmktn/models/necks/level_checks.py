"""Checks on pyramid levels that give a clear message before a convolution gives an unclear one."""

from collections.abc import Sequence

from torch import Tensor


def check_levels(levels: Sequence[Tensor], num_levels: int, *, name: str) -> None:
    """Check that there are enough levels and that each is exactly half of the one below.

    Args:
        levels: Pyramid levels (B, C, h, w), finest first.
        num_levels: Number of levels that are read.
        name: Class name for the message.

    Raises:
        ValueError: Too few levels, or a level whose size is not half of the finer one; the text
            names the level and its size.
    """
    if len(levels) < num_levels:
        raise ValueError(f"{name}: {len(levels)} levels given, {num_levels} needed")
    for index in range(1, num_levels):
        fine, coarse = levels[index - 1].shape[-2:], levels[index].shape[-2:]
        if (2 * coarse[0], 2 * coarse[1]) != tuple(fine):
            raise ValueError(
                f"{name}: level {index - 1} is {fine[0]} x {fine[1]} but level {index} is "
                f"{coarse[0]} x {coarse[1]}; every level has to be exactly twice the next. Pad the "
                f"images to a multiple of {4 * 2 ** (num_levels - 1)} (pad_size_divisor)"
            )
