"""What a sample draws depends on seed, batch and place, not on who loads it or what came before."""

import random

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset, InfiniteSampler
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from mmktn.engine.seeded_batches import BatchStream, seed_batches


class Draws(BaseDataset):
    """Every sample is three draws; every third index is a broken picture."""

    def load_data_list(self):
        return [{"n": n} for n in range(6)]

    def prepare_data(self, idx):
        if idx % 3 == 2:
            return None
        return [idx, random.random(), np.random.rand(), torch.rand(()).item()]  # noqa: NPY002


def loader_of(workers=0, persistent=False, dataset=None):
    dataset = dataset or ConcatDataset([Draws(), Draws()])
    return DataLoader(
        dataset,
        batch_sampler=BatchSampler(InfiniteSampler(dataset, seed=3), 3, drop_last=False),
        num_workers=workers,
        persistent_workers=persistent,
        collate_fn=list,
    )


def take(loader, count, *, skip=0, free=0):
    seed_batches(loader, seed=5, rank=0, endless=True)
    stream = BatchStream(loader, free=free)
    stream.skip_iter(skip or free)
    return [next(stream) for _ in range(free + count)]


def test_workers_and_resume_change_nothing():
    whole = take(loader_of(), 8)
    assert take(loader_of(2, persistent=True), 8) == whole
    assert take(loader_of(1), 4, skip=4) == whole[4:]
    # Older hosts take the batches instead of skipping them.
    assert take(loader_of(), 4, free=4) == [None] * 4 + whole[4:]
    draws = [sample[1] for batch in whole for sample in batch]
    assert len(set(draws)) == len(draws)


def test_a_host_that_has_begun_to_load_takes_nothing_away():
    whole = take(loader_of(), 4)
    loader = loader_of()
    begun = iter(loader.batch_sampler)
    next(begun)
    begun.close()
    assert list(loader.batch_sampler) == []  # what stock mmengine 0.10.7 leaves with workers
    assert take(loader, 4) == whole


def test_another_rank_and_seed_draw_otherwise():
    batches = [loader_of() for _ in range(3)]
    for loader, seed, rank in zip(batches, (5, 5, 6), (0, 1, 0), strict=True):
        seed_batches(loader, seed=seed, rank=rank, endless=True)
    first, second, third = (next(BatchStream(loader))[0][1] for loader in batches)
    assert len({first, second, third}) == 3


def test_finite_samplers_start_anew_with_the_next_epoch():
    loader = DataLoader([10, 11, 12], batch_size=2, collate_fn=list)
    assert take(loader, 4) == [[10, 11], [12], [10, 11], [12]]
    assert isinstance(loader.batch_sampler.sampler, SequentialSampler)
    assert len(loader) == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_epochs_are_numbered_by_their_first_batch(workers):
    data = Draws()
    loader = DataLoader(data, batch_size=2, num_workers=workers, collate_fn=list)
    batches = seed_batches(loader, seed=1, rank=0, endless=False)
    first = list(loader)
    batches.first = 3
    second = list(loader)
    assert len(first) == len(second) == 3
    assert first != second
    batches.first = 0
    assert list(loader) == first
