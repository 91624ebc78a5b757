"""Hook of a training under torchrun: each process writes its weights and whom it was shown."""

from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS


def weights_of(runner):
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@HOOKS.register_module()
class RankWeightsHook(Hook):
    """Write `rank_K.pt` with `before`, `after` (weights) and `persons` (annotation ids)."""

    priority = "LOWEST"

    def __init__(self, out_dir):
        self.out_dir = Path(out_dir)
        self.record = {"persons": []}

    def before_train(self, runner):
        self.record["before"] = weights_of(runner)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.record["persons"] += [int(sample.id) for sample in data_batch["data_samples"]]

    def after_train(self, runner):
        torch.save(
            self.record | {"after": weights_of(runner)}, self.out_dir / f"rank_{get_rank()}.pt"
        )
