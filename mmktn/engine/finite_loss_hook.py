"""Training ends at the first loss or gradient that is not finite, before it reaches a weight.

Without it mmengine trains on, and the checkpoints that it saves, all weights NaN, take the places
of the last good ones.
"""

import functools
import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from mmktn.registry import HOOKS
from mmktn.utils.user_error import UserError


class NotFiniteError(UserError):
    """Training cannot go on: a loss, a gradient or a weight is NaN or infinite."""


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """End training, or leave out the step, where a loss or a gradient is not finite.

    The check stands between the backward pass and the optimiser's step; the processes of a
    distributed run agree by one number. No weight, average of weights or state of the optimiser
    ever sees such a step, so the checkpoints of before stay as they are; a checkpoint with weights
    that became NaN all the same is not written. A step that a `GradScaler` leaves out because of
    its scale is none of these.

    Costs one norm of all gradients and one wait for the device in each step of the optimiser.

    Args:
        max_skips: So many steps of the run, in a row or not, may be left out; the next ends it.
            With gradient accumulation a step is that of the optimiser. A resumed run counts anew.

    Raises:
        ValueError: `max_skips` is negative.
        NotFiniteError: From training, in every process; names the iteration, the losses and the
            images of the process's batch.
    """

    # Before the hooks that save checkpoints.
    priority = "VERY_HIGH"

    def __init__(self, max_skips: int = 0) -> None:
        if max_skips < 0:
            raise ValueError(f"FiniteLossHook: max_skips={max_skips} must be 0 or more")
        self.max_skips, self.skipped = max_skips, 0
        self._losses: list[Mapping[str, Tensor]] = []
        self._images: list[str] = []
        self._buffers: dict[str, Tensor] = {}
        self._ignored: set[str] = set()

    def before_train(self, runner: Runner) -> None:
        """Put the check before the optimiser's steps."""
        model = _bare(runner.model)
        model.parse_losses = functools.partial(self._keep_losses, model.parse_losses)
        wrapper = runner.optim_wrapper
        for part in [wrapper] if isinstance(wrapper, OptimWrapper) else wrapper.values():
            part.step = functools.partial(self._step, runner, part, part.step)
        # Tables of a model may hold infinite entries on purpose.
        self._ignored = set(_not_finite(model.state_dict()))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Remember what the images are and, where steps may be left out, the running statistics."""
        self._images += image_names(data_batch)
        if self.max_skips:
            self._buffers = {n: b.clone() for n, b in _bare(runner.model).named_buffers()}

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Let no checkpoint be written that nothing can be made of."""
        bad = _not_finite(checkpoint.get("state_dict", {}))
        bad = [name for name in bad if name.removeprefix("module.") not in self._ignored]
        if bad:
            raise NotFiniteError(
                f"iteration {runner.iter + 1}: {len(bad)} weights are not finite, the first is "
                f"{bad[0]}; no checkpoint is written, those in {runner.work_dir} are of before"
            )

    def _keep_losses(self, parse: Any, losses: Any) -> Any:
        total, parts = parse(losses)
        self._losses.append({name: value.detach() for name, value in parts.items()})
        return total, parts

    def _step(self, runner: Runner, wrapper: OptimWrapper, step: Any, **kwargs: Any) -> None:
        scaler = getattr(wrapper, "loss_scaler", None)
        scaled = scaler is not None and scaler.is_enabled()
        gradients = [] if scaled else _gradients(wrapper.optimizer)
        losses = [values["loss"].float().reshape(()) for values in self._losses if "loss" in values]
        device = next(runner.model.parameters()).device
        norms = [n.float().to(device) for n in torch._foreach_norm(gradients)] if gradients else []
        checked = torch.stack([*(loss.to(device) for loss in losses), *norms]) if losses else None
        # Norms of finite gradients can overflow, so a bad one is looked at closely.
        if checked is None or not _anywhere(~torch.isfinite(checked).all()):
            bad = False
        else:
            finite = all(map(_is_finite, [*losses, *gradients]))
            bad = _anywhere(torch.tensor(not finite, device=device))
        if bad:
            self._refuse(runner, gradients)
        else:
            step(**kwargs)
        self._losses, self._images = [], []

    def _refuse(self, runner: Runner, gradients: list[Tensor]) -> None:
        """End training, or say that the step is left out and undo what the forward pass left."""
        text = self._describe(runner)
        self.skipped += 1
        if self.skipped > self.max_skips:
            raise NotFiniteError(text)
        runner.logger.warning(f"{text} This step is left out ({self.skipped} of {self.max_skips}).")
        for name, buffer in _bare(runner.model).named_buffers():
            if name in self._buffers and not _is_finite(buffer):
                buffer.copy_(self._buffers[name])

    def _describe(self, runner: Runner) -> str:
        rank = f" of rank {get_rank()}" if get_world_size() > 1 else ""
        values = {n: float(v.float().mean()) for part in self._losses for n, v in part.items()}
        bad = [f"{name} {value}" for name, value in values.items() if not math.isfinite(value)]
        if not bad:
            named = runner.model.named_parameters()
            names = [n for n, p in named if p.grad is not None and not _is_finite(p.grad)]
            bad = [f"gradients of {len(names)} weights ({names[0]}, ...)"] if names else []
        what = ", ".join(bad) or "a loss of another process"
        shown = ", ".join(self._images[:16]) or "not named by the data set"
        return (
            f"iteration {runner.iter + 1}: not finite: {what}; images{rank}: {shown}. No weight "
            f"has seen it, the checkpoints in {runner.work_dir} are of before. Lower the learning "
            "rate, clip gradients (optim_wrapper.clip_grad), look at these images' labels, or let "
            "FiniteLossHook(max_skips=N) leave out such steps."
        )


def image_names(batch: Any) -> list[str]:
    """Return the paths, or else ids, of the images of a batch, as far as its samples carry them."""
    samples = batch.get("data_samples", []) if isinstance(batch, Mapping) else []
    found = []
    for sample in samples if isinstance(samples, list | tuple) else [samples]:
        name = getattr(sample, "img_path", None)
        found.append(str(getattr(sample, "img_id", "?") if name is None else name))
    return found


def _bare(model: nn.Module) -> Any:
    return model.module if is_model_wrapper(model) else model


def _gradients(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    weights = (weight for group in optimizer.param_groups for weight in group["params"])
    return [weight.grad for weight in weights if weight.grad is not None]


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _not_finite(state: Mapping[str, Any]) -> list[str]:
    return [n for n, t in state.items() if isinstance(t, Tensor) and not _is_finite(t)]


def _anywhere(flag: Tensor) -> bool:
    """Whether a flag is set in any process; waits for the device."""
    if get_world_size() > 1:
        flag = flag.float()
        dist.all_reduce(flag)
    return bool(flag)
