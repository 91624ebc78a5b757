"""The warning of a transfer machine that starts from random numbers."""

import logging
from types import SimpleNamespace

import pytest
from torch import nn

from mmktn.models.predictors import ChartPredictor, KTMv1ChartPredictor, KTMv2ChartPredictor
from mmktn.registry import HOOKS

GRAPH = {"relation_source": "random"}
LOW_RANK = {"kind": "low_rank", "rank": 2}


def warnings_of(module, caplog, *, load_from=None, iteration=0):
    runner = SimpleNamespace(
        model=nn.Sequential(module),
        cfg={"load_from": load_from},
        iter=iteration,
        logger=logging.getLogger("pretraining"),
    )
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        HOOKS.build({"type": "mmktn.KeypointPretrainingHook"}).before_train(runner)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    "machine",
    [
        lambda: KTMv1ChartPredictor(8, graph=GRAPH, transformer=LOW_RANK),
        lambda: KTMv2ChartPredictor(8, box_dim=8, graph=GRAPH, transformer=LOW_RANK),
    ],
)
def test_machine_without_a_checkpoint_is_warned_of_once(machine, caplog):
    (message,) = warnings_of(machine(), caplog)
    assert "random keypoint classifier" in message
    assert warnings_of(machine(), caplog, load_from="keypoints.pth") == []
    assert warnings_of(machine(), caplog, iteration=100) == []  # resumed


def test_models_that_transfer_no_keypoints_are_left_alone(caplog):
    assert warnings_of(ChartPredictor(8), caplog) == []
    parts = KTMv2ChartPredictor(8, sources=("part",), box_dim=8, graph=GRAPH, transformer=LOW_RANK)
    assert warnings_of(parts, caplog) == []
