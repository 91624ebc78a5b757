import pickle

import torch

from mmktn.models.ktm import GenerationCache
from mmktn.models.ktm import generation_cache as module


def test_value_is_made_again_only_after_a_change():
    cache, x, calls = GenerationCache(), torch.ones(3), []

    def make():
        calls.append(1)
        return 2 * x

    assert torch.equal(cache.get([x], make), torch.full((3,), 2.0))
    cache.get([x], make)
    x += 1
    assert torch.equal(cache.get([x], make), torch.full((3,), 4.0))
    assert len(calls) == 2


def test_equal_values_elsewhere_count_as_a_change():
    cache = GenerationCache()
    x = torch.ones(3)
    first = cache.get([x], lambda: torch.zeros(1))
    assert cache.get([x.clone()], lambda: torch.ones(1)) is not first


def test_large_tensors_are_compared_on_a_sample(monkeypatch):
    """Writing through `.data` over the whole tensor is noticed whatever its size."""
    monkeypatch.setattr(module, "WHOLE_UP_TO", 10)
    monkeypatch.setattr(module, "SAMPLE_SIZE", 5)
    cache, x = GenerationCache(), torch.arange(100.0)
    cache.get([x], lambda: torch.zeros(1))
    x.data.add_(1)
    assert cache.get([x], lambda: torch.ones(1)) == 1


def test_inference_tensors_are_watched_by_content():
    """They have no version counter."""
    cache = GenerationCache()
    with torch.inference_mode():
        x = torch.ones(3)
        cache.get([x], lambda: torch.zeros(1))
        assert cache.get([x], lambda: torch.ones(1)) == 0
        x += 1
        assert cache.get([x], lambda: torch.ones(1)) == 1


def test_saved_cache_is_empty():
    cache, x = GenerationCache(), torch.ones(3)
    cache.get([x], lambda: torch.zeros(1))
    copy = pickle.loads(pickle.dumps(cache))
    assert copy.get([x], lambda: torch.ones(1)) == 1
