"""Clipping tensor by tensor: values by hand, each wrapper, and who asks for it."""

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper

import mmktn.engine  # noqa: F401  (registers the constructor)


def step(clip_grad, *, constructor="mmktn.TensorClipConstructor", kind="OptimWrapper"):
    """Plain SGD of rate 1 on gradients (3, 4) and (0.3, 0.4): what is subtracted."""
    model = torch.nn.Module()
    model.large = torch.nn.Parameter(torch.zeros(2))
    model.small = torch.nn.Parameter(torch.zeros(2))
    cfg = {
        "type": kind,
        "optimizer": {"type": "SGD", "lr": 1.0},
        "constructor": constructor,
        "clip_grad": clip_grad,
    }
    wrapper = build_optim_wrapper(model, ConfigDict(cfg))
    gradient = torch.tensor([3.0, 4.0])
    wrapper.update_params((model.large * gradient + model.small * gradient / 10).sum())
    return -model.large.detach(), -model.small.detach()


@pytest.mark.parametrize("kind", ["OptimWrapper", "mmktn.CpuAmpOptimWrapper"])
def test_each_tensor_is_clipped_by_itself(kind):
    large, small = step({"max_norm": 1.0, "norm_type": 2}, kind=kind)
    torch.testing.assert_close(large, torch.tensor([0.6, 0.8]))
    torch.testing.assert_close(small, torch.tensor([0.3, 0.4]))


def test_the_host_clips_the_whole_model():
    large, small = step({"max_norm": 1.0}, constructor="DefaultOptimWrapperConstructor")
    together = torch.cat((large, small))
    assert float(together.norm()) == pytest.approx(1.0, abs=1e-5)
    assert float(small.norm()) < 0.1


def test_clipping_by_value_is_for_the_host():
    with pytest.raises(ValueError, match="which clips by a norm"):
        step({"type": "value", "clip_value": 1.0})
    with pytest.raises(ValueError, match="clips by a norm"):
        step(None)


@pytest.mark.parametrize("name", ["densepose-rcnn", "ktn2"])
def test_hrfpn_configs_clip_each_tensor_to_norm_1(name):
    cfg = Config.fromfile(f"configs/densepose/{name}_hrnet-w32_hrfpn_s1x_dp-coco.py")
    assert cfg.optim_wrapper.constructor == "mmktn.TensorClipConstructor"
    assert cfg.optim_wrapper.clip_grad == {"max_norm": 1.0, "norm_type": 2}
