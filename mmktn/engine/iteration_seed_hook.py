"""Randomness that does not depend on where a run was interrupted.

mmengine restores weights, optimiser and schedule on resume and skips the data already seen, but not
torch's random state, from which RoIs and anchors are drawn. Seeding it from the iteration number makes
a resumed run repeat the uninterrupted one exactly, on every rank, without anything in the checkpoint.
"""

from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmktn.registry import HOOKS

# Any odd constant: spreads neighbouring iterations over the seeds.
_STRIDE = 0x9E3779B1


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seed torch before every training iteration from run seed, iteration and rank.

    numpy and random are left alone: transforms draw from them, and mmengine replays those draws when
    it skips data on resume.
    """

    priority = "VERY_HIGH"

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed the generators of the CPU and of all CUDA devices."""
        seed = (runner.seed or 0) + _STRIDE * runner.iter + 7919 * get_rank()
        torch.manual_seed(seed % 2**63)
