"""Compiled parts give what the plain ones give.

The suite traces and runs the graphs as they are, which needs no C++ compiler; `inductor` makes
other kernels of the same graphs. CUDA graphs were never run.
"""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmktn.apis import DensePoseInferencer, load_model, test_command
from mmktn.engine import CompileHook, compile_static_parts
from mmktn.engine.compiled_parts import padded_counts
from mmktn.utils.user_error import UserError

ROOT = Path(__file__).parents[2]
DENSEPOSE = ROOT / "configs/densepose"
HW = (64, 96)
SYSTEMS = {
    "densepose/smoke/densepose-rcnn_r18_fpn_smoke_dp-synth": [
        "backbone", "neck", "rpn_head", "roi_head.densepose_neck",
        "roi_head.densepose_head.trunk", "roi_head.densepose_head.predictor.reader",
    ],
    "densepose/smoke/ktn2_r18_fpn_smoke_dp-synth": [
        "backbone", "neck", "rpn_head", "roi_head.densepose_neck",
        "roi_head.densepose_head.trunk", "roi_head.densepose_head.predictor.reader",
    ],
    "topdown/densepose-td_r18_ktm2_cpu_dp-synth": [
        "backbone", "head.densepose_head.trunk", "head.densepose_head.predictor.reader",
    ],
    "fcn/dp-fcn_r18_cpu_dp-synth": [
        "backbone", "chart_head.trunk", "chart_head.predictor.reader",
    ],
}  # fmt: skip


class Counted:
    """A backend that runs the traced graph as it is, and counts graphs and runs."""

    def __init__(self):
        self.graphs, self.runs = 0, 0

    def __call__(self, graph, _inputs):
        self.graphs += 1

        def run(*args):
            self.runs += 1
            return graph(*args)

        return run


@pytest.fixture
def counted(monkeypatch):
    """Register the counting backend under a name."""
    from torch._dynamo.backends import registry

    backend = Counted()
    registry.register_backend(backend, name="counted")
    torch._dynamo.reset()
    yield backend
    registry._BACKENDS.pop("counted", None)
    registry._COMPILER_FNS.pop("counted", None)
    torch._dynamo.reset()


def boxes_of(count):
    x = np.linspace(0, HW[1] - 42, count)
    return np.stack([x, x * 0 + 4, x + 40, x * 0 + 60], axis=1).astype(np.float32)


def test_predictions_stay_and_few_shapes_are_compiled(counted):
    torch.manual_seed(0)
    picture = np.random.default_rng(0).integers(0, 256, (*HW, 3), dtype=np.uint8)
    options = {"model.test_cfg.rcnn.score_thr": 0.0, "model.test_cfg.rcnn.max_per_img": 2}
    model = load_model(
        ROOT / "configs/densepose/smoke/ktn2_r18_fpn_smoke_dp-synth.py",
        device="cpu",
        cfg_options=options,
    )
    keys = list(model.state_dict())
    plain = DensePoseInferencer(model)
    calls = [None, boxes_of(1), boxes_of(5)]
    expected = [plain.predict([picture], boxes=b if b is None else [b])[0] for b in calls]
    compiled = DensePoseInferencer(model, compile={"backend": "counted", "box_counts": (2, 6)})
    assert list(model.state_dict()) == keys
    for boxes, people in zip(calls, expected, strict=True):
        (found,) = compiled.predict([picture], boxes=boxes if boxes is None else [boxes])
        assert len(found.densepose) == len(people.densepose) > 0
        torch.testing.assert_close(found.bboxes, people.bboxes, rtol=0, atol=1e-3)
        torch.testing.assert_close(found.scores, people.scores, rtol=0, atol=1e-5)
        for ours, theirs in zip(found.densepose, people.densepose, strict=True):
            same = ours.labels == theirs.labels
            assert same.float().mean() > 0.999  # equal logits may fall either way
            torch.testing.assert_close(ours.uv[:, same], theirs.uv[:, same], rtol=0, atol=1e-4)
    graphs, runs = counted.graphs, counted.runs
    assert runs > graphs >= 6
    compiled.predict([picture], boxes=[boxes_of(4)])  # padded to 6, which is known
    assert counted.graphs == graphs
    assert counted.runs == runs + 5  # backbone, pyramid, MID, trunk, maps


@pytest.mark.parametrize("name", SYSTEMS)
def test_parts_are_those_of_the_system(name):
    model = load_model(ROOT / f"configs/{name}.py", device="cpu")
    assert compile_static_parts(model, backend="eager") == SYSTEMS[name]


def test_counts_are_powers_of_two_and_the_most():
    assert padded_counts(10) == (1, 2, 4, 8, 10)
    assert padded_counts(8) == (1, 2, 4, 8)
    assert padded_counts(1) == (1,)


@pytest.mark.parametrize(
    ("options", "text"),
    [({"backend": "turbo"}, "no backend 'turbo'"), ({"backend": "inductor"}, "C[+][+] compiler")],
)
def test_what_is_missing_is_named_before_a_run(options, text, monkeypatch):
    monkeypatch.setenv("PATH", "")
    model = torch.nn.Conv2d(1, 1, 1)
    with pytest.raises(UserError, match=text):
        compile_static_parts(model, **options)


def test_unknown_models_are_named():
    with pytest.raises(UserError, match="Conv2d"):
        compile_static_parts(torch.nn.Conv2d(1, 1, 1), backend="eager")


def test_the_command_adds_the_hook(tmp_path):
    checkpoint = tmp_path / "a.pth"
    checkpoint.write_bytes(b"")
    config = DENSEPOSE / "smoke/densepose-rcnn_r18_fpn_smoke_dp-synth.py"
    args = test_command.parse_args([str(config), str(checkpoint), "--compile"])
    cfg = test_command.merge_args(Config.fromfile(str(config)), args)
    assert cfg.custom_hooks[-1] == {"type": "mmktn.CompileHook", "backend": "inductor"}


def test_the_hook_compiles_before_a_test():
    model = load_model(DENSEPOSE / "smoke/ktn2_r18_fpn_smoke_dp-synth.py", device="cpu")
    said = []
    logger = Namespace(info=lambda text, *args: said.append(text % args))
    hook = CompileHook(backend="eager", box_counts=[4])
    hook.before_test(Namespace(model=model, logger=logger))
    hook.before_test_iter(None, 0)
    assert said == [
        f"compiled: {', '.join(SYSTEMS['densepose/smoke/ktn2_r18_fpn_smoke_dp-synth'])}"
    ]
    assert model.roi_head.densepose_head.box_counts == [4]
