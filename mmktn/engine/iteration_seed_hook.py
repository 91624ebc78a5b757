"""Randomness that does not depend on where a run was interrupted.

On resume mmengine restores weights, optimiser and schedule and forwards the sampler, but not the
random states from which transforms draw in the main process and RoI samplers draw on the device.
Seeding them from the iteration number makes a resumed run repeat the uninterrupted one, on every
rank, without anything in the checkpoint.
"""

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmktn.registry import HOOKS


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seed all generators of the process for every training iteration.

    The seed follows from the run's seed, the iteration and the rank. Exact with `num_workers=0`,
    and with workers that start anew each epoch; long-lived workers draw augmentations from
    streams of their own, which restart on resume.
    """

    # After the hooks that save checkpoints and draw pictures.
    priority = "VERY_LOW"

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed for the data of the first iteration (again at each epoch of an epoch-based loop)."""
        _seed(runner, runner.iter)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed for what the model draws; loading the data has moved the generators."""
        _seed(runner, runner.iter)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Seed for the data of the next iteration."""
        _seed(runner, runner.iter + 1)


def _seed(runner: Runner, iteration: int) -> None:
    sequence = np.random.SeedSequence([runner.seed or 0, iteration, get_rank()])
    first, second, third = (int(word) for word in sequence.generate_state(3))
    random.seed(first)
    np.random.seed(second)  # noqa: NPY002  # the host's transforms draw from the global generator
    torch.manual_seed(third)
