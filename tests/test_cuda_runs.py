"""Whole runs on CUDA: training that is resumed, and converted weights that predict.

Where there is no GPU the device is pretended (tests/pretended_cuda).
"""

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.runner import runner
from mmengine.utils import apply_to

from mmktn.apis import DensePoseInferencer
from mmktn.apis.model_loading import load_model
from mmktn.utils.setup_env import register_all_modules
from tests.test_tools.test_convert_detectron2 import _pickle, convert_detectron2, weights  # noqa: F401
from tests.test_tools.test_training import data_folder, train  # noqa: F401


@pytest.fixture
def on_cuda(monkeypatch):
    """Let mmengine, which looks for the device when it is imported, know of the pretended one."""
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")
    monkeypatch.setattr("mmengine.runner.runner.get_device", lambda: "cuda")
    # PyTorch moves whole storages there, which cannot be pretended: read, then move tensors.
    read = runner._load_checkpoint

    def moved(filename, map_location=None, **options):
        content = read(filename, map_location="cpu", **options)
        return apply_to(content, torch.is_tensor, lambda value: value.to(map_location))

    monkeypatch.setattr("mmengine.runner.runner._load_checkpoint", moved)


@pytest.mark.slow
@pytest.mark.cuda
def test_resumed_run_goes_on_with_state_on_the_device(on_cuda, data_folder, tmp_path, monkeypatch):  # noqa: F811
    where = []

    def noted(self, *args, **kwargs):
        result = original(self, *args, **kwargs)
        states = self.optimizer.state.values()
        # Counts of steps stay on the CPU, as PyTorch wants them.
        where.append(
            {v.device.type for s in states for v in s.values() if torch.is_tensor(v) and v.dim()}
        )
        return result

    original = OptimWrapper.step
    monkeypatch.setattr(OptimWrapper, "step", noted)
    whole = train(data_folder, tmp_path / "whole", 2, resume=False)
    train(data_folder, tmp_path / "parts", 1, resume=False)
    rest = train(data_folder, tmp_path / "parts", 2, resume=True)
    assert len(rest) == 1
    assert rest[0]["loss"] == pytest.approx(whole[-1]["loss"], rel=1e-5)
    assert where == [{"cuda"}] * 4
    saved = torch.load(tmp_path / "parts/iter_1.pth", weights_only=False)
    assert {value.device.type for value in saved["state_dict"].values()} == {"cpu"}


@pytest.mark.slow
@pytest.mark.cuda
def test_converted_weights_predict_on_the_device(on_cuda, weights, tmp_path):  # noqa: F811
    target, config = tmp_path / "ours.pth", tmp_path / "ours.py"
    convert_detectron2.main(
        [str(_pickle(tmp_path, weights)), str(target), "--out-config", str(config)]
    )
    on_gpu, plain = (load_model(config, target, device=device) for device in ("cuda", "cpu"))
    for ours, theirs in zip(on_gpu.parameters(), plain.parameters(), strict=True):
        assert ours.is_cuda
        assert torch.equal(ours.cpu(), theirs)
    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    boxes = [np.array([[10.0, 8, 60, 90]])]
    (found,) = DensePoseInferencer(on_gpu).predict([picture], boxes=boxes)
    (expected,) = DensePoseInferencer(plain).predict([picture], boxes=boxes)
    assert found.bboxes.is_cuda
    same = found.densepose[0].labels.cpu() == expected.densepose[0].labels
    assert same.float().mean() > 0.999
