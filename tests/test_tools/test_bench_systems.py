"""The direct form of whole detectors gives what ours gives, and the jobs are those asked for."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from mmktn.apis import DensePoseInferencer, load_model
from mmktn.models.layers import winograd
from tests.tool_modules import tool_module

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _found(monkeypatch):
    """Benchmarks import each other; the direct form switches Winograd off for its process."""
    monkeypatch.syspath_prepend(str(ROOT / "projects/benchmark"))
    monkeypatch.setattr(winograd, "ENABLED", True)


@pytest.mark.parametrize("name", ["densepose-rcnn_r18_fpn_smoke", "ktn2_r18_fpn_smoke"])
def test_direct_form_gives_the_same_people(name):
    torch.manual_seed(0)
    make_direct = tool_module("projects/benchmark/direct_system.py").make_direct
    ours = load_model(ROOT / f"configs/densepose/smoke/{name}_dp-synth.py", device="cpu")
    for key, parameter in ours.roi_head.densepose_head.predictor.named_parameters():
        if "relation" in key:
            parameter.data += 0.1 * torch.randn_like(parameter)  # left and right would tie
    direct = copy.deepcopy(ours)
    make_direct(direct)
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    boxes = [np.array([[4.0, 4, 50, 60], [30, 10, 90, 62]], dtype=np.float32)]
    found, expected = (
        DensePoseInferencer(model).predict([picture], boxes=boxes)[0].densepose
        for model in (ours, direct)
    )
    assert len(found) == len(expected) == 2
    for a, b in zip(found, expected, strict=True):
        same = a.labels == b.labels
        assert same.float().mean() > 0.999  # equal logits may fall either way
        torch.testing.assert_close(a.uv[:, same], b.uv[:, same], rtol=0, atol=1e-4)


def test_jobs_are_all_combinations():
    bench = tool_module("projects/benchmark/bench_systems.py")
    arguments = ["--systems", "r50", "--what", "predict", "train", "--sizes", "64x96", "96x64"]
    jobs = bench.jobs_of(bench.parse_args([*arguments, "--batches", "1", "4"]))
    assert len(jobs) == 8
    assert jobs[0]["size_hw"] == [64, 96]
    assert {job["batch_size"] for job in jobs} == {1, 4}


def test_seconds_are_those_of_the_parts():
    bench = tool_module("projects/benchmark/bench_systems.py")
    done = []
    run = bench.timed_parts([("forward", lambda: done.append(1)), ("backward", lambda: None)])
    assert list(run()) == ["forward", "backward"]
    assert done == [1]
