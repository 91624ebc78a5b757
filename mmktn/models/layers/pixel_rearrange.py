"""Rearrange pixels between space and channels: the lossless resizing of MIDv2 (KTN, TCSVT 2022).

Layers of MIDv2. The two directions do not share a channel order, as in the official code:
`space_to_depth` puts whole blocks of C channels behind each other, `depth_to_space` is PyTorch's
pixel shuffle, where the four values of a 2 x 2 cell are neighbours in the channel axis. They are
therefore not inverses.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def space_to_depth(x: Tensor) -> Tensor:
    """Fold each 2 x 2 cell into channels: blocks (row, col) = (0,0), (0,1), (1,0), (1,1).

    Args:
        x: (B, C, h, w), h and w even.

    Returns:
        (B, 4 C, h / 2, w / 2); `[[a, b], [c, d]]` becomes the channel blocks a, b, c, d.

    Raises:
        ValueError: h or w is odd.
    """
    h, w = x.shape[-2:]
    if h % 2 or w % 2:
        raise ValueError(f"space_to_depth needs even height and width, got {h} x {w}")
    # Slices and cat keep the memory order of x, a reshape would not.
    return torch.cat([x[..., row::2, column::2] for row in (0, 1) for column in (0, 1)], dim=1)


def depth_to_space(x: Tensor) -> Tensor:
    """Unfold channels into 2 x 2 cells: (B, 4 C, h, w) -> (B, C, 2 h, 2 w) (pixel shuffle)."""
    return F.pixel_shuffle(x, 2)
