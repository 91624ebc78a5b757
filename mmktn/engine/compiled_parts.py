"""Compile what of a system has fixed shapes: one switch for configs, inferencers and `test.py`.

The body (backbone, pyramid, raw outputs of the proposal network, neck of the branch) has one shape
for each size of picture; the branch (trunk and maps) gets its boxes padded to a few numbers, so it
has a few shapes too. What lies between them (proposals, suppression, pooling, decoding, KTM's
cache) depends on the picture and stays as it is. On CUDA the compiled parts become CUDA graphs.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import shutil
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from mmktn.registry import HOOKS
from mmktn.utils.user_error import UserError

BODY = ("backbone", "neck", "rpn_head", "roi_head.densepose_neck")
HEADS = (
    "roi_head.densepose_head",
    "roi_head.keypoint_head",
    "head.densepose_head",
    "chart_head",
)
"""Where systems keep a `DensePoseHead`."""
OF_HEADS = ("trunk", "predictor.reader")
KEYPOINTS = ("head.semantic_transfer", "head.refine", "head.instance_parsing")
"""STIP's head; mmpose calls its `forward` past the compiled call, hence its parts."""
SHAPES = 16
"""Shapes that a part is compiled for; further ones run as they did before."""


def compile_static_parts(
    model: nn.Module,
    *,
    backend: str = "inductor",
    mode: str | None = None,
    box_counts: Sequence[int] | None = None,
) -> list[str]:
    """Compile the parts of fixed shapes of a system, in place, for inference.

    Weights, state dict and results stay: float32 results differ by rounding alone. Each part is
    compiled when it meets a new shape, up to 16 shapes (8 before torch 2.11); then it runs
    uncompiled. KTM's kernel is made outside, so it may change between calls.

    Args:
        model: A system of mmktn in eval mode, or its test-time augmentation.
        backend: Of `torch.compile`: 'inductor' needs a C++ compiler on the CPU and Triton on
            CUDA; 'eager' and 'aot_eager' need none and speed up nothing.
        mode: Of `torch.compile`. None: 'reduce-overhead', which is CUDA graphs, on CUDA with
            inductor, else the backend's own.
        box_counts: Numbers to which the boxes of a call of the branch are padded. None: powers of
            two, and the head's `chunk_size`.

    Returns:
        Names of the compiled parts, as in `model.named_modules()`.

    Raises:
        UserError: No such backend, or the compiler that it needs is missing; no known part.
    """
    while isinstance(model, BaseTTAModel) or is_model_wrapper(model):
        inner: Any = model.module
        model = inner
    device = next(model.parameters()).device
    _check_backend(backend, device)
    if mode is None and backend == "inductor" and device.type == "cuda":
        mode = "reduce-overhead"
    heads = [name for name in HEADS if _part(model, name) is not None]
    names = [*BODY, *KEYPOINTS, *(f"{head}.{part}" for head in heads for part in OF_HEADS)]
    found = {name: part for name in names if (part := _part(model, name)) is not None}
    if not found:
        raise UserError(f"{type(model).__name__}: no part that could be compiled is known")
    options: dict[str, Any] = {"backend": backend, "mode": mode, "dynamic": False}
    if "isolate_recompiles" in inspect.signature(torch.compile).parameters:
        options |= {"isolate_recompiles": True, "recompile_limit": SHAPES}
    for part in found.values():
        part.compile(**options)
    for name in heads:
        head: Any = _part(model, name)
        head.box_counts = padded_counts(head.chunk_size) if box_counts is None else box_counts
    return list(found)


def padded_counts(chunk_size: int) -> tuple[int, ...]:
    """Return the powers of two below the number of boxes of a call, and that number."""
    return (*(2**n for n in range(chunk_size.bit_length()) if 2**n < chunk_size), chunk_size)


def begin_step() -> None:
    """Say that what compiled parts gave before is no longer read: CUDA graphs use its memory."""
    if torch.cuda.is_available():
        torch.compiler.cudagraph_mark_step_begin()


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile the parts of fixed shapes before a test (`compile_static_parts`).

    Args:
        backend: As in `compile_static_parts`, and so are the next two.
        mode: See there.
        box_counts: See there.
    """

    def __init__(
        self,
        backend: str = "inductor",
        mode: str | None = None,
        box_counts: Sequence[int] | None = None,
    ) -> None:
        self.options: dict[str, Any] = {"backend": backend, "mode": mode, "box_counts": box_counts}

    def before_test(self, runner: Runner) -> None:
        """Compile; shapes follow as pictures come."""
        parts = compile_static_parts(runner.model, **self.options)
        runner.logger.info("compiled: %s", ", ".join(parts))

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Let the next batch take the memory of the last."""
        begin_step()


def _part(model: nn.Module, name: str) -> nn.Module | None:
    """Return a part by its dotted name; None where a system has none."""
    found: Any = model
    for key in name.split("."):
        found = getattr(found, key, None)
    return found if isinstance(found, nn.Module) else None


def _check_backend(backend: str, device: torch.device) -> None:
    """Look for what a backend needs, which it would miss in the middle of a run.

    Raises:
        UserError: It is missing.
    """
    known = torch.compiler.list_backends(exclude_tags=())
    if backend not in known:
        raise UserError(f"compile: no backend {backend!r}; there are {', '.join(sorted(known))}")
    if backend != "inductor":
        return
    if device.type == "cuda":
        if importlib.util.find_spec("triton") is None:
            raise UserError(
                "compile: inductor needs triton on CUDA; install it, or leave compile out"
            )
    elif not any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++"))):
        raise UserError(
            "compile: inductor needs a C++ compiler on the CPU; install g++, name one by the "
            "variable CXX, or leave compile out"
        )
