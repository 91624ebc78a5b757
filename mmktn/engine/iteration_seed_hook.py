"""Randomness that does not depend on where a run was interrupted.

On resume mmengine restores weights, optimiser and schedule and forwards the sampler, but neither
the random states from which transforms draw, in the main process or in its workers, nor those of
RoI samplers on the device. Seeding the data from the number of the batch and the model from the
iteration makes a resumed run repeat the uninterrupted one, on every rank, without anything in the
checkpoint.
"""

from typing import Any

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from mmktn.engine.seeded_batches import BatchStream, SeededBatches, seed_batches, seed_generators
from mmktn.registry import HOOKS


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seed the generators for every sample, in whatever process loads it, and every iteration.

    The seeds follow from the run's seed, the number of the batch or iteration, and the rank: exact
    with any number of workers, persistent or not, with any batch sampler whose order follows from
    the seed. A sample of an iterable data set or of a loader without batches is left alone.
    """

    # After the hooks that save checkpoints and draw pictures.
    priority = "VERY_LOW"

    def before_train(self, runner: Runner) -> None:
        """Number the batches of the training data before the first is loaded."""
        loop = runner.train_loop
        loader = loop.dataloader
        if getattr(loader, "batch_sampler", None) is None:
            return
        by_iteration = isinstance(loop, IterBasedTrainLoop)
        batches = seed_batches(loader, seed=runner.seed or 0, rank=get_rank(), endless=by_iteration)
        if by_iteration:
            # Hosts before 0.10.12 take `iter` batches from the stream instead of skipping them.
            old_host = not hasattr(loop.dataloader_iterator, "skip_iter")
            fast = getattr(loop, "fast_forward_on_resume", False)
            passed = runner.iter if old_host and not fast else 0
            loop.dataloader_iterator = BatchStream(loader, free=passed)
            batches.passed = passed

    def before_train_epoch(self, runner: Runner) -> None:
        """Number the batches of this epoch; an iteration-based loop has one epoch, from 0 on."""
        batches = getattr(runner.train_loop.dataloader, "batch_sampler", None)
        if isinstance(batches, SeededBatches) and not batches.endless:
            batches.first = runner.iter

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed for what the model draws; loading the data has moved the generators."""
        seed_generators(runner.seed or 0, runner.iter, get_rank())
