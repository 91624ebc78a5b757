"""Mixed precision on a CPU.

mmengine's AmpOptimWrapper refuses machines without an accelerator (open-mmlab/mmpretrain#1556).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import nn

from mmktn.registry import OPTIM_WRAPPERS

SLOW = (
    "this CPU has no instructions for bfloat16: convolutions take about ten times as long in it as "
    "in float32; use OptimWrapper, or a CPU with AVX-512 or AMX"
)


def bfloat16_is_fast() -> bool:
    """Whether oneDNN computes bfloat16 by instructions of this CPU; else it does in software."""
    known = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return known is None or bool(known())


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """Optimiser wrapper whose forward runs under `torch.autocast('cpu', bfloat16)`.

    bfloat16 has the exponents of float32, so losses need no scaling. A warning is logged where the
    CPU has no instructions for it.

    Args:
        dtype: `bfloat16`; float16 is too narrow without loss scaling.
        **kwargs: Arguments of `mmengine.optim.OptimWrapper`.

    Raises:
        ValueError: Another dtype.
    """

    def __init__(self, dtype: str = "bfloat16", **kwargs: Any) -> None:
        if dtype != "bfloat16":
            raise ValueError(f"mixed precision on a CPU takes dtype='bfloat16', not {dtype!r}")
        super().__init__(**kwargs)
        if not bfloat16_is_fast():
            print_log(SLOW, logger="current", level=logging.WARNING)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass in mixed precision."""
        with super().optim_context(model), torch.autocast("cpu", torch.bfloat16):
            yield
