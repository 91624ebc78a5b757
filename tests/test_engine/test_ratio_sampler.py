"""Mixing data sets in a ratio: counts, shuffles, processes, seeds."""

from collections import Counter
from itertools import chain

import pytest
from mmengine.registry import DATA_SAMPLERS
from torch import zeros
from torch.utils.data import ConcatDataset, TensorDataset

from mmktn.engine import ratio_sampler
from mmktn.engine.ratio_sampler import RatioSampler
from mmktn.utils.user_error import UserError


def parts(*sizes):
    return ConcatDataset([TensorDataset(zeros(size)) for size in sizes])


def drawn(sampler, epochs=1):
    found = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        found.append(list(sampler))
    return found


@pytest.mark.parametrize(
    ("sizes", "ratio"), [((12, 50), (3, 1)), ((12, 5), (1, 2)), ((7, 9, 4), (0.5, 0.3, 0.2))]
)
def test_parts_keep_their_share_after_any_number_of_draws(sizes, ratio):
    (indices,) = drawn(RatioSampler(parts(*sizes), ratio, seed=0))
    ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
    counts = [0] * len(sizes)
    for number, index in enumerate(indices, start=1):
        counts[next(k for k, end in enumerate(ends) if index < end)] += 1
        for count, share in zip(counts, ratio, strict=True):
            assert abs(count - number * share / sum(ratio)) < 1
    assert len(indices) == -(-sizes[0] * sum(ratio) // ratio[0])


def test_an_epoch_shows_the_first_part_once_and_the_other_goes_on_where_it_was():
    epochs = drawn(RatioSampler(parts(12, 10), (3, 1), seed=5), epochs=5)
    for indices in epochs:
        assert sorted(i for i in indices if i < 12) == list(range(12))
    other = [i for i in chain.from_iterable(epochs) if i >= 12]
    assert len(other) == 20
    assert sorted(other[:10]) == sorted(other[10:]) == list(range(12, 22))
    assert other[:10] != other[10:]
    assert epochs[0] != epochs[1]


def test_processes_share_every_sample_and_all_see_both_parts(monkeypatch):
    world = 2
    found = []
    for rank in range(world):
        monkeypatch.setattr(ratio_sampler, "get_dist_info", lambda rank=rank: (rank, world))
        found.append(drawn(RatioSampler(parts(8, 8), (1, 1), seed=1))[0])
    assert [len(indices) for indices in found] == [8, 8]
    assert Counter(chain.from_iterable(found)) == dict.fromkeys(range(16), 1)
    for indices in found:
        assert sum(i < 8 for i in indices) == 4


def test_the_seed_decides_everything():
    def make(seed):
        return drawn(RatioSampler(parts(30, 20), (2, 1), seed=seed), epochs=2)

    assert make(3) == make(3)
    assert make(3) != make(4)


def test_a_part_of_ratio_0_is_left_out_and_may_be_empty():
    (indices,) = drawn(RatioSampler(parts(5, 0), (1, 0), seed=0))
    assert sorted(indices) == list(range(5))


def test_a_resumed_run_draws_what_the_other_would_have_drawn():
    """An epoch is drawn without those before it."""
    whole = drawn(RatioSampler(parts(9, 4), (2, 1), seed=7), epochs=3)
    resumed = RatioSampler(parts(9, 4), (2, 1), seed=7)
    resumed.set_epoch(2)
    assert list(resumed) == whole[2]


@pytest.mark.parametrize(
    ("sizes", "ratio", "text"),
    [
        ((3, 3), (1,), "1 numbers, the data set 2 parts"),
        ((3, 3), (0, 1), "first above 0"),
        ((3, 3), (1, float("inf")), "numbers >= 0"),
        ((3, 3), (1, -1), "numbers >= 0"),
        ((3, 0), (1, 1), "part 1 of the data set is empty"),
    ],
)
def test_a_ratio_that_does_not_fit_is_named(sizes, ratio, text):
    with pytest.raises(UserError, match=text):
        RatioSampler(parts(*sizes), ratio)


def test_a_data_set_without_parts_is_named_and_configs_know_the_sampler():
    with pytest.raises(UserError, match="this is a TensorDataset"):
        RatioSampler(TensorDataset(zeros(3)), (1, 1))
    built = DATA_SAMPLERS.build(
        dict(type="mmktn.RatioSampler", ratio=(1, 1)),
        default_args=dict(dataset=parts(3, 3), seed=0),
    )
    assert len(built) == 6
