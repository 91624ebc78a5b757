"""Batches whose randomness depends on seed, iteration and place alone, not on who loads them.

mmengine seeds each loader process once, at its start. What a transform draws then depends on all
that this process has loaded before, so a resumed run differs from one that was not interrupted.
Here a batch of indices carries its number; iterating over it, which is how PyTorch loads a batch,
seeds the generators anew before every sample. A retry for a broken picture draws from that, too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader


def seed_generators(*key: int) -> None:
    """Seed the global generators of `random`, numpy and torch.

    Args:
        *key: Whole numbers >= 0; every other key gives other streams.
    """
    first, second, third = (int(word) for word in np.random.SeedSequence(key).generate_state(3))
    random.seed(first)
    np.random.seed(second)  # noqa: NPY002  # the host's transforms draw from the global generator
    torch.manual_seed(third)


class SeededBatch(list):
    """Indices of one batch; iterating seeds the generators before each of them.

    Args:
        indices: Indices into the data set.
        key: Seed of the run, number of the batch, rank.
    """

    def __init__(self, indices: Sequence[Any], key: tuple[int, ...]) -> None:
        super().__init__(indices)
        self.key = key

    def __iter__(self) -> Iterator[Any]:
        """Seed, hand out, seed, hand out."""
        for place, index in enumerate(super().__iter__()):
            seed_generators(*self.key, place)
            yield index

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the key on the way to a loader process."""
        return SeededBatch, ([self[place] for place in range(len(self))], self.key)


class SeededBatches:
    """The batch sampler of a loader, numbered.

    Args:
        batches: The batch sampler.
        seed: Seed of the run.
        rank: Number of the process.
        endless: Start the sampler anew, with its next epoch, whenever it ends.

    Attributes:
        first: Number of the first batch of the next iteration over this.
        passed: Batches that the next iteration leaves out: no data are loaded for them.
    """

    def __init__(self, batches: Any, *, seed: int, rank: int, endless: bool) -> None:
        self.batches, self.seed, self.rank, self.endless = batches, seed, rank, endless
        self.first = self.passed = 0

    def __getattr__(self, name: str) -> Any:
        """Whatever else is asked for is the batch sampler's: `sampler`, `batch_size`."""
        if name == "batches":
            raise AttributeError(name)
        return getattr(self.batches, name)

    def __len__(self) -> int:
        """Return the batches in an epoch."""
        return len(self.batches)

    def __iter__(self) -> Iterator[SeededBatch]:
        """Number the batches and leave out those of before a resume."""
        number, passed = self.first, self.passed
        for indices in self._stream():
            if number >= self.first + passed:
                yield SeededBatch(indices, (self.seed, number, self.rank))
            number += 1

    def _stream(self) -> Iterator[Sequence[int]]:
        epoch, given = 0, True
        while given:
            given = False
            for indices in self.batches:
                given = self.endless
                yield indices
            epoch += 1
            if given and hasattr(self.batches.sampler, "set_epoch"):
                self.batches.sampler.set_epoch(epoch)


def seed_batches(loader: DataLoader, *, seed: int, rank: int, endless: bool) -> SeededBatches:
    """Put `SeededBatches` in the place of a loader's batch sampler.

    Args:
        loader: A loader of batches that is not being iterated over.
        seed: Seed of the run.
        rank: Number of the process.
        endless: As in `SeededBatches`.

    Returns:
        What stands in the loader now.
    """
    if isinstance(loader.batch_sampler, SeededBatches):
        return loader.batch_sampler
    batches = SeededBatches(loader.batch_sampler, seed=seed, rank=rank, endless=endless)
    sampler: Any = getattr(batches, "sampler", None)
    if endless and hasattr(sampler, "_indices_of_rank"):
        # mmengine's endless sampler is one generator. Hosts before 0.10.12 iterate over the loader
        # when the loop is made: workers then take batches ahead, and the end of that iterator ends
        # the generator as well.
        sampler.indices = sampler._indices_of_rank()
    # PyTorch forbids it because a running iterator would not notice; there is none yet.
    object.__setattr__(loader, "batch_sampler", batches)
    return batches


class BatchStream:
    """What an iteration-based loop takes its batches from, in place of mmengine's own.

    It is started by the first batch that is asked for, so that workers load nothing that a resumed
    run leaves out.

    Args:
        loader: Loader with `SeededBatches`.
        free: So many first batches are None: a host without `skip_iter` throws them away.
    """

    def __init__(self, loader: DataLoader, *, free: int = 0) -> None:
        self.loader, self._free = loader, free
        self._running: Iterator[Any] | None = None

    def __iter__(self) -> BatchStream:
        """Return itself."""
        return self

    def skip_iter(self, number: int) -> None:
        """Leave out the batches of the iterations before a resume."""
        batches: Any = self.loader.batch_sampler
        batches.passed = number

    def __next__(self) -> Any:
        """Give a batch."""
        if self._free:
            self._free -= 1
            return None
        if self._running is None:
            self._running = iter(self.loader)
        return next(self._running)
