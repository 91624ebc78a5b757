"""HRNet that also returns the high-resolution maps of stage 2 and stage 3.

STIP (MM'21) reads its auxiliary heads from intermediate stages. The host's forward is used as it
stands: the two stages are tapped while it runs, so nothing of it is copied and every HRNet
checkpoint fits. Departs from the official code, which repeats the forward in each of its classes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmpose.models.backbones import HRNet
from torch import Tensor, nn

from mmktn.registry import MODELS


@contextmanager
def _high_resolution_outputs(*stages: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the branch-0 output of each stage, in the order in which they run."""
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: tuple, branches: list[Tensor]) -> None:
        outputs.append(branches[0])

    handles = [stage.register_forward_hook(keep) for stage in stages]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


@MODELS.register_module()
class StagedHRNet(HRNet):
    """HRNet whose output is one high-resolution map a stage.

    Args:
        extra: Stage table, as for mmpose's HRNet.
        channels_last: Keep weights and activations channels-last. The numbers are the same; on a
            CPU a training step of HRNet-W32 is about 1.4 times as fast.
        **kwargs: Whatever mmpose's HRNet accepts.
    """

    def __init__(self, extra: dict, channels_last: bool = True, **kwargs: Any) -> None:
        super().__init__(extra, **kwargs)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.to(memory_format=self.memory_format)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the maps of stages 2, 3 and 4.

        Args:
            x: Crops ``(B, 3, H, W)``, normalised.

        Returns:
            Branch-0 maps of stage 2, 3 and 4, each ``(B, D, H/4, W/4)``; the last one is what
            mmpose's HRNet returns.
        """
        x = x.contiguous(memory_format=self.memory_format)
        with _high_resolution_outputs(self.stage2, self.stage3) as intermediate:
            final = super().forward(x)[0]
        return (*intermediate, final)

    def train(self, mode: bool = True) -> "StagedHRNet":
        """Switch the mode as the host does, and return self as every module should."""
        super().train(mode)
        return self
