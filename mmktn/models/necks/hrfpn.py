"""High-resolution pyramid over HRNet, as detectron2's DensePose and KTN build it.

Branches are enlarged by learned 4 x 4 transposed convolutions, joined, and reduced by convolutions
as wide as their stride. Differs from mmdet's HRFPN (bilinear, average pooling). The released
geometry does not lie over the image: nothing is padded, so branches are shifted against each other
by up to three cells, and the right and lower 32 pixels of the image reach no level. `aligned=True`
keeps all weights and puts every cell over its pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.registry import MODELS

KERNEL_SIZE = 4
FINEST_STRIDE = 4


@MODELS.register_module()
class KTNHRFPN(BaseModule):
    """Branches of HRNet -> levels of strides 4, 8, ..., each exactly twice the next.

    Args:
        in_channels: Channels of the branches, of strides 4, 8, ... .
        out_channels: Channels of the levels.
        num_outs: Number of levels.
        aligned: Crop and pad the enlarged branches such that they lie over each other and over the
            image; the image has to be padded to a multiple of the coarsest stride. False: the
            geometry of the released checkpoints.
        init_cfg: As in `mmengine.model.BaseModule`.

    Reference:
        `HRFPN` of detectron2's DensePose and of the KTN v2 code; the HRNet pyramid of Sun et al.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 256,
        *,
        num_outs: int = 5,
        aligned: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.aligned = aligned
        self.enlargements = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(channels, channels, KERNEL_SIZE, stride=2**i, bias=False),
                nn.BatchNorm2d(channels, momentum=0.1),
                nn.ReLU(inplace=True),
            )
            for i, channels in enumerate(in_channels)
        )
        self.reductions = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(sum(in_channels), out_channels, 2**j, stride=2**j),
                nn.BatchNorm2d(out_channels, momentum=0.1),
                nn.ReLU(inplace=True),
            )
            for j in range(num_outs)
        )
        self.level_convs = nn.ModuleList(
            nn.Conv2d(out_channels, out_channels, 3, padding=1) for _ in range(num_outs)
        )

    def forward(self, branches: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Build the pyramid.

        Args:
            branches: Maps (B, in_channels[i], h / 2^i, w / 2^i), where h = H / 4.

        Returns:
            Levels (B, out_channels, a 2^(n-1-j), b 2^(n-1-j)) for j = 0 ... n-1, where a and b are
            the sizes of the coarsest: (h - 4) / 2^(n-1) rounded down, or h / 2^(n-1) if `aligned`.

        Raises:
            ValueError: Not one map a branch, an image too small for the coarsest level, or, if
                `aligned`, one that its stride does not divide.
        """
        if len(branches) != len(self.enlargements):
            raise ValueError(f"{len(branches)} branches given, {len(self.enlargements)} expected")
        joined = self._join(branches)
        levels = [reduce(joined) for reduce in self.reductions]
        rows, columns = levels[-1].shape[-2:]
        doublings = range(len(levels) - 1, -1, -1)
        return tuple(
            conv(level[..., : rows * 2**n, : columns * 2**n])
            for conv, level, n in zip(self.level_convs, levels, doublings, strict=True)
        )

    def _join(self, branches: Sequence[Tensor]) -> Tensor:
        """Enlarge and concatenate: (B, sum of in_channels, h - 4, w - 4), or h x w if aligned."""
        enlarged = [grow(x) for grow, x in zip(self.enlargements, branches, strict=True)]
        if self.aligned:
            size = branches[0].shape[-2:]
            enlarged = [_centred(x, size, stride=2**i) for i, x in enumerate(enlarged)]
        else:
            size = torch.Size(min(x.shape[axis] for x in enlarged) for axis in (-2, -1))
        self._check(size)
        return torch.cat([x[..., : size[0], : size[1]] for x in enlarged], dim=1)

    def _check(self, size: Sequence[int]) -> None:
        coarsest = 2 ** (len(self.reductions) - 1)
        lost = 0 if self.aligned else FINEST_STRIDE
        if min(size) < coarsest:
            raise ValueError(
                f"KTNHRFPN: a side of the image is below {FINEST_STRIDE * (coarsest + lost)} px, "
                f"too small for a level of stride {FINEST_STRIDE * coarsest}"
            )
        if self.aligned and any(side % coarsest for side in size):
            raise ValueError(
                f"KTNHRFPN(aligned=True): the finest map is {size[0]} x {size[1]}; pad images to a "
                f"multiple of {FINEST_STRIDE * coarsest} (data_preprocessor.pad_size_divisor)"
            )


def _centred(x: Tensor, size: Sequence[int], *, stride: int) -> Tensor:
    """Move an enlarged branch over its source.

    Cell i of a branch covers cells `i stride` to `(i + 1) stride` of the finest map but writes to
    4 cells from `i stride` on: (4 - stride) / 2 too far to the right. Rounded down for stride 1,
    where an even kernel cannot be centred.

    Args:
        x: (B, C, (n - 1) stride + 4, ...).
        size: Wanted height and width.
        stride: Of the branch, in cells of the finest map.
    """
    shift = (KERNEL_SIZE - stride) // 2
    bottom, right = (
        side - (length - shift) for side, length in zip(size, x.shape[-2:], strict=True)
    )
    return F.pad(x, (-shift, right, -shift, bottom))
