"""Devices that are there and devices that are not."""

import pytest
import torch

from mmktn.utils.devices import find_device
from mmktn.utils.user_error import UserError


def test_the_cpu_is_always_there():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device(torch.device("cpu")).type == "cpu"


def test_the_default_follows_the_machine(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device().type == "cpu"


@pytest.mark.parametrize("device", ["foo", "cuda:x", "cpu:", "7gpu"])
def test_unknown_names(device):
    with pytest.raises(UserError, match=f"device '{device}' is unknown; use cpu"):
        find_device(device)


def test_cuda_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="sees no GPU; use 'cpu'"):
        find_device("cuda")


def test_cuda_with_too_high_a_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match="there are 2 GPUs, numbered from 0"):
        find_device("cuda:2")


@pytest.mark.parametrize("device", ["meta", "xpu"])
def test_devices_that_cannot_compute_here(device):
    with pytest.raises(UserError, match="cannot be used here; use 'cpu'"):
        find_device(device)


def test_apples_device_is_taken_by_its_name_alone(monkeypatch):
    """A device that is there, as far as torch says."""
    made, zeros = [], torch.zeros
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch, "zeros", lambda n, device: (made.append(device.type), zeros(n))[1])
    assert find_device("mps") == torch.device("mps")
    assert find_device() == torch.device("cpu")
    assert made == ["mps", "cpu"]


def test_apples_device_elsewhere():
    if torch.backends.mps.is_available():
        pytest.skip("this is a Mac")
    with pytest.raises(UserError, match="device 'mps' cannot be used here; use 'cpu'"):
        find_device("mps")
