"""EfficientNet-Lite: inverted residual blocks without squeeze-and-excitation, for small machines.

Tan and Le, EfficientNet (ICML 2019), in the "lite" form that its authors released for mobile
devices: ReLU6, no attention over channels, stem and last stage not scaled. Padding is TensorFlow's
"same", which puts the odd pixel of a stride on the right and below, so that the released ImageNet
weights give their own numbers (tools/model_converters/convert_efficientnet_lite.py). Pictures are
RGB; (value - 127) / 128 is what the weights were trained on.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmktn.registry import MODELS


class Stage(NamedTuple):
    """One row of the table of stages, before scaling.

    Attributes:
        repeats: Number of blocks.
        kernel: Side of the depthwise kernel.
        stride: Stride of the first block.
        expand: Width inside a block over its width outside.
        channels: Width outside.
    """

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


STEM_CHANNELS = 32
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
# Width and depth over those of lite0.
SCALES: Mapping[str, tuple[float, float]] = {
    "lite0": (1.0, 1.0),
    "lite1": (1.0, 1.1),
    "lite2": (1.1, 1.2),
    "lite3": (1.2, 1.4),
    "lite4": (1.4, 1.8),
}


def scaled_stages(arch: str) -> list[Stage]:
    """Return the table of stages of one member of the family.

    Raises:
        ValueError: There is no such member.
    """
    if arch not in SCALES:
        raise ValueError(f"arch {arch!r}: EfficientNet-Lite has {', '.join(SCALES)}")
    width, depth = SCALES[arch]
    rows = []
    for index, row in enumerate(STAGES):
        # The numbers of blocks of the first and the last stage stay; all widths grow.
        ends = index in (0, len(STAGES) - 1)
        repeats = row.repeats if ends else math.ceil(depth * row.repeats)
        rows.append(row._replace(repeats=repeats, channels=_multiple_of_8(width * row.channels)))
    return rows


def _multiple_of_8(width: float) -> int:
    """Return the nearest multiple of 8, never less than 90 % of the width."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded


class SamePadConv2d(nn.Conv2d):
    """Convolution with ceil(size / stride) outputs, the odd pixel of padding on the far side."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W) to (B, D, ceil(H / stride), ceil(W / stride))."""
        return self.convolve(x, self.weight, self.bias)

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the same with another kernel (D, C / groups, k, k) and bias (D,)."""
        # Plain numbers, tracing or not: the padding is one for all sizes that a stride divides, and
        # with it an exported graph takes pictures of any size.
        sizes = (int(size) for size in x.shape[-2:])
        pad_h, pad_w = (
            max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            for size, stride, kernel in zip(sizes, self.stride, self.kernel_size, strict=True)
        )
        near = (pad_h // 2, pad_w // 2)
        if (pad_h, pad_w) == (2 * near[0], 2 * near[1]):
            return F.conv2d(x, weight, bias, self.stride, near, 1, self.groups)
        padded = F.pad(x, (near[1], pad_w - near[1], near[0], pad_h - near[0]))
        return F.conv2d(padded, weight, bias, self.stride, 0, 1, self.groups)


class ConvNorm(nn.Sequential):
    """Convolution, then a norm; padding as in `SamePadConv2d`.

    Where the norm keeps its statistics, kernel and bias are scaled in place of the map: the same
    numbers but for rounding, and on a CPU a third less time in training and at test.
    """

    def __init__(
        self, in_channels: int, channels: int, kernel: int = 1, stride: int = 1, *, groups: int = 1
    ) -> None:
        super().__init__(
            SamePadConv2d(in_channels, channels, kernel, stride, groups=groups, bias=False),
            nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, channels, ceil(H / stride), ceil(W / stride))."""
        conv, norm = self[0], self[1]
        if norm.training:
            return norm(conv(x))
        gain = norm.weight * (norm.running_var + norm.eps).rsqrt()
        bias = norm.bias - norm.running_mean * gain
        return conv.convolve(x, conv.weight * gain[:, None, None, None], bias)


class InvertedResidual(nn.Module):
    """Widen, convolve each channel alone, narrow; added to the input where the shapes agree.

    Args:
        in_channels: Width of the input.
        channels: Width of the output.
        kernel: Side of the depthwise kernel.
        stride: Its stride.
        expand: Width inside over the width of the input; 1 leaves the widening out.
    """

    def __init__(
        self, in_channels: int, channels: int, *, kernel: int, stride: int, expand: int
    ) -> None:
        super().__init__()
        inner = in_channels * expand
        self.expand = ConvNorm(in_channels, inner) if expand != 1 else None
        self.depthwise = ConvNorm(inner, inner, kernel, stride, groups=inner)
        self.project = ConvNorm(inner, channels)
        self.residual = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, channels, ceil(H / stride), ceil(W / stride))."""
        inner = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        out = self.project(F.relu6(self.depthwise(inner), inplace=True))
        return out + x if self.residual else out


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """The features of EfficientNet-Lite, without the classifier.

    Args:
        arch: `lite0` to `lite4`.
        out_indices: Stages whose maps are returned, of 0 to 6; their strides are
            2, 4, 8, 16, 16, 32, 32. Stages behind the last of them are not built.
        frozen_stages: -1 trains everything; k >= 0 freezes the stem and the first k stages.
        norm_eval: Keep running means and variances as they were loaded.
        init_cfg: As in mmengine; `dict(type="Pretrained", checkpoint=...)` for the weights that
            convert_efficientnet_lite.py writes.

    Raises:
        ValueError: No such member of the family, or no such stage.
    """

    def __init__(
        self,
        arch: str = "lite0",
        out_indices: Sequence[int] = (1, 2, 4, 6),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        rows = scaled_stages(arch)
        if not out_indices or not all(0 <= i < len(rows) for i in out_indices):
            raise ValueError(f"out_indices {tuple(out_indices)}: give some of 0 to {len(rows) - 1}")
        if not -1 <= frozen_stages <= len(rows):
            raise ValueError(f"frozen_stages {frozen_stages}: give -1 to {len(rows)}")
        self.out_indices = frozenset(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.out_channels = [rows[i].channels for i in sorted(self.out_indices)]
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, 2)
        self.stages = nn.ModuleList()
        width = STEM_CHANNELS
        for row in rows[: max(out_indices) + 1]:
            blocks = []
            for repeat in range(row.repeats):
                stride = row.stride if repeat == 0 else 1
                blocks.append(
                    InvertedResidual(
                        width, row.channels, kernel=row.kernel, stride=stride, expand=row.expand
                    )
                )
                width = row.channels
            self.stages.append(nn.Sequential(*blocks))
        self._freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps of the wanted stages.

        Args:
            x: Images (B, 3, H, W), RGB, normalised.

        Returns:
            One map for each of `out_indices`, in rising order.
        """
        x = F.relu6(self.stem(x), inplace=True)
        outputs = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in self.out_indices:
                outputs.append(x)
        return tuple(outputs)

    def train(self, mode: bool = True) -> "EfficientNetLite":
        """Set the mode; frozen stages, and with `norm_eval` all norms, stay as at test."""
        super().train(mode)
        if mode:
            self._freeze()
            if self.norm_eval:
                for module in self.modules():
                    if isinstance(module, _BatchNorm):
                        module.eval()
        return self

    def _freeze(self) -> None:
        if self.frozen_stages < 0:
            return
        for part in (self.stem, *self.stages[: self.frozen_stages]):
            part.eval()
            part.requires_grad_(False)
