"""Mixed precision on a CPU: says where it is slow."""

import logging

import pytest
import torch
from mmengine.logging import MMLogger
from torch import nn

from mmktn.engine import CpuAmpOptimWrapper
from mmktn.engine import cpu_amp_optim_wrapper as module


@pytest.mark.parametrize("fast", [True, False])
def test_a_cpu_without_bfloat16_is_warned_about(fast, monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: fast)
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        layer = nn.Linear(2, 2)
        CpuAmpOptimWrapper(optimizer=torch.optim.SGD(layer.parameters(), lr=1.0))
    finally:
        logger.removeHandler(handler)
    assert said == ([] if fast else [module.SLOW])
