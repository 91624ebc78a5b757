"""Tensors that say cuda:0 and obey CUDA's rules, computed on the CPU; launches and waits counted.

A `CudaTensor` holds a CPU tensor. Every operator comes to `_Run.operator`, which refuses what CUDA
refuses, counts, computes on the CPU and wraps what CUDA would leave on the device. It shows what
the code does with devices, not what a GPU makes of it: kernels, memory and speed stay unseen.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.pretended_cuda.registration import register

DEVICE = torch.device("cuda", 0)
aten = torch.ops.aten

_COPIES = {aten.copy_.default, aten._to_copy.default, aten.copy.default}
_TO = aten._to_copy.default
_READS = {aten.index.Tensor, aten._unsafe_index.Tensor}
_WRITES = {aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default,
           aten._unsafe_index_put.default}  # fmt: skip
# Elementwise kernels take a CPU tensor of no dimensions for a number; these do not.
_NO_NUMBERS = {"cat", "stack", "mm", "bmm", "addmm", "baddbmm", "index_select", "gather", "scatter",
               "scatter_add", "scatter_add_", "scatter_", "convolution", "embedding",
               "native_batch_norm", "grid_sampler_2d"}  # fmt: skip
# Integers have these on the CPU alone.
_NO_INTEGERS = {"mm", "bmm", "addmm", "baddbmm", "convolution", "addmv", "mv", "dot"}
# The host waits, because the result is a number or its shape depends on values.
_WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim",
            "unique_consecutive", "equal", "is_nonzero", "bincount", "linalg_inv_ex",
            "_linalg_svd", "_linalg_solve_ex"}  # fmt: skip
# Neither a kernel nor a copy.
_FREE = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "_reshape_alias"}


class CudaRuleError(RuntimeError):
    """What CUDA refuses."""


@dataclass
class Counts:
    """What a device would have done since `clear`, by line of the watched code."""

    launches: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    uploads: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        """Start anew."""
        for each in (self.launches, self.waits, self.uploads):
            each.clear()

    def __str__(self) -> str:
        lines = []
        for name in ("launches", "waits", "uploads"):
            counter = getattr(self, name)
            lines.append(f"{sum(counter.values())} {name}")
            lines += [f"{count:7d}  {place}" for place, count in counter.most_common(25)]
        return "\n".join(lines)


class CudaTensor(Tensor):
    """A tensor on the pretended device; `on_cpu` holds its numbers."""

    on_cpu: Tensor

    @staticmethod
    def __new__(cls, on_cpu: Tensor) -> CudaTensor:
        made = Tensor._make_wrapper_subclass(
            cls,
            on_cpu.size(),
            strides=on_cpu.stride(),
            storage_offset=on_cpu.storage_offset(),
            dtype=on_cpu.dtype,
            device=DEVICE,
        )
        made.on_cpu = on_cpu
        return made

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        return _run.operator(func, args, kwargs or {})

    def __repr__(self) -> str:
        return f"CudaTensor({self.on_cpu!r})"

    # The methods below reach the numbers without an operator, so that nothing else would see them.
    def tolist(self) -> Any:
        _run.counts.waits[_run.place()] += 1
        return self.on_cpu.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        if force:
            return self.detach().cpu().numpy()
        raise TypeError("can't convert cuda:0 device type tensor to numpy; use Tensor.cpu()")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self.numpy()

    def new_tensor(self, data: Any, **options: Any) -> Tensor:
        needs = options.pop("requires_grad", False)
        options = {"dtype": self.dtype, "device": self.device} | options
        return torch.tensor(data, **options).requires_grad_(needs)

    def data_ptr(self) -> int:
        return self.on_cpu.data_ptr()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) not in memo:
            copied = self.detach().clone()
            if isinstance(self, torch.nn.Parameter):
                copied = torch.nn.Parameter(copied, self.requires_grad)
            memo[id(self)] = copied
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise NotImplementedError("a pretended tensor cannot be pickled: the code keeps it on CUDA")


@dataclass(frozen=True)
class _Kind:
    """What is to be known of an operator, whatever its arguments."""

    name: str
    free: bool
    waits: bool
    returned: tuple[str | int, ...]  # arguments that it gives back
    numbers: bool
    half_softmax: bool

    @staticmethod
    @cache
    def of(func: Any) -> _Kind:
        schema = func._schema
        name = schema.name.split("::")[1]
        aliases = [item.alias_info for item in schema.returns]
        views = bool(aliases) and all(a is not None and not a.is_write for a in aliases)
        returned: tuple[str | int, ...] = ()
        if aliases and all(a is not None and a.is_write for a in aliases):
            written = {
                frozenset(argument.alias_info.before_set): (
                    argument.name if argument.kwarg_only else position
                )
                for position, argument in enumerate(schema.arguments)
                if argument.alias_info is not None
            }
            returned = tuple(written[frozenset(alias.before_set)] for alias in aliases)
        waits = name in _WAITING or func is aten.repeat_interleave.Tensor
        return _Kind(
            name,
            views or name in _FREE,
            waits,
            returned,
            name not in _NO_NUMBERS,
            name in ("_softmax", "_log_softmax"),
        )


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _unwrapped(value: Any) -> Any:
    if isinstance(value, CudaTensor):
        return value.on_cpu
    if isinstance(value, (list, tuple)):
        return type(value)([_unwrapped(item) for item in value])
    return value


def _wrapped(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value if isinstance(value, CudaTensor) else CudaTensor(value)
    if isinstance(value, (list, tuple)):
        return type(value)([_wrapped(item) for item in value])
    return value


class _Run:
    """The operators of a run and what they cost."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.watched: tuple[str, ...] = ()

    def place(self) -> str:
        """Innermost line of the watched code."""
        frame = sys._getframe(2)
        while frame is not None:
            name = frame.f_code.co_filename
            for part in self.watched:
                if part in name:
                    return f"{part}{name.rsplit(part, 1)[1]}:{frame.f_lineno}"
            frame = frame.f_back
        return "elsewhere"

    def operator(self, func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Check, count, compute."""
        kind = _Kind.of(func)
        ours, others = [], []
        for tensor in _tensors((*args, *kwargs.values())):
            (ours if isinstance(tensor, CudaTensor) else others).append(tensor)
        asked = kwargs.get("device")
        on_cuda = bool(ours) if asked is None else torch.device(asked).type == "cuda"
        if not ours and not on_cuda:
            return func(*args, **kwargs)
        if func in _READS or func in _WRITES or (func in _COPIES and func is not _TO):
            on_cuda = isinstance(args[0], CudaTensor)
        if ours:
            _refuse(func, kind, args, ours, others)
        self._count(func, kind, args, bool(ours), on_cuda)
        plain = [_unwrapped(value) for value in args]
        named = {name: _unwrapped(value) for name, value in kwargs.items()}
        if on_cuda and asked is not None:
            named["device"] = torch.device("cpu")
        named.pop("non_blocking", None)
        if named.get("pin_memory"):
            named["pin_memory"] = False
        found = _compute(func, kind, plain, named)
        if kind.returned:
            given = [args[key] if isinstance(key, int) else kwargs[key] for key in kind.returned]
            for tensor in given:
                if isinstance(tensor, CudaTensor) and tensor.shape != tensor.on_cpu.shape:
                    raise NotImplementedError(f"{func} changes the shape of a pretended tensor")
            return given[0] if len(given) == 1 else tuple(given)
        return _wrapped(found) if on_cuda else found

    def _count(self, func: Any, kind: _Kind, args: tuple, ours: bool, on_cuda: bool) -> None:
        if kind.free:
            return
        place = self.place()
        if func in _COPIES:
            source = args[0] if func is _TO else args[1]
            if isinstance(source, CudaTensor) != on_cuda:
                (self.counts.uploads if on_cuda else self.counts.waits)[place] += 1
                return
        self.counts.launches[place] += 1
        if kind.waits:
            self.counts.waits[place] += 1
        elif func in _READS or func in _WRITES:
            given = [item for item in args[1] if item is not None]
            masks = [item for item in given if item.dtype in (torch.bool, torch.uint8)]
            # One mask and one number of the host are a masked fill.
            fill = func in _WRITES and len(given) == 1 and args[2].numel() == 1
            fill = fill and not isinstance(args[2], CudaTensor)
            if masks and not fill:
                self.counts.waits[place] += 1
            if any(not isinstance(item, CudaTensor) for item in given):
                self.counts.uploads[place] += 1


_run = _Run()


def _refuse(func: Any, kind: _Kind, args: tuple, ours: list[Tensor], others: list[Tensor]) -> None:
    """Raise where CUDA does."""
    if kind.name in _NO_INTEGERS and not ours[0].dtype.is_floating_point:
        raise CudaRuleError(f"{func}: not implemented on CUDA for {ours[0].dtype}")
    if func in _COPIES:
        return
    if func in _READS or func in _WRITES:
        if not isinstance(args[0], CudaTensor):
            raise CudaRuleError(f"{func}: indices or values on cuda:0, tensor on the CPU")
        # The indices may lie on the CPU, and so may a single value.
        others = [args[2]] if func in _WRITES and not isinstance(args[2], CudaTensor) else []
    if kind.numbers:
        others = [tensor for tensor in others if tensor.dim()]
    if others:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in others)
        raise CudaRuleError(f"{func}: tensors on cuda:0 and, of shape {shapes}, on the CPU")
    for key in kind.returned:
        if isinstance(key, int) and not isinstance(args[key], (CudaTensor, list, tuple)):
            raise CudaRuleError(f"{func}: a result on cuda:0 is written to the CPU")


def _compute(func: Any, kind: _Kind, args: list[Any], named: dict[str, Any]) -> Any:
    """The numbers; half in and float out is one kernel on CUDA that the CPU lacks."""
    if kind.half_softmax and args[2]:
        return func(args[0].float(), args[1], False)
    if kind.name.endswith("softmax_backward_data") and args[3] != args[0].dtype:
        return func(*args[:3], args[0].dtype).to(args[3])
    return func(*args, **named)


class _Everywhere(TorchDispatchMode):
    """Catches operators that start without a tensor of ours: `torch.zeros(2, device='cuda')`."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        return _run.operator(func, args, kwargs or {})


def current_counts() -> Counts:
    """The counts of the running, last or next block."""
    return _run.counts


@contextlib.contextmanager
def pretended_cuda(watched: tuple[str, ...] = ("mmktn/",)) -> Iterator[Counts]:
    """A block in which the device `cuda` exists.

    Args:
        watched: Parts of file names whose innermost line is named in the counts.

    Yields:
        The counts, which go on until the block ends.
    """
    register()
    import mmengine.device.utils

    _run.counts.clear()
    _run.watched = watched
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    lifts = torch._C._only_lift_cpu_tensors()
    answers = {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda _device: None,
        "is_bf16_supported": lambda *_args, **_options: True,
        "synchronize": lambda *_args: None,
        "empty_cache": lambda: None,
        "memory_allocated": lambda *_args: 0,
        "max_memory_allocated": lambda *_args, **_options: 0,
        "reset_peak_memory_stats": lambda *_args: None,
        "get_device_name": lambda *_args: "pretended",
        "get_device_capability": lambda *_args: (9, 0),
        "get_device_properties": lambda *_args: SimpleNamespace(name="pretended", major=9, minor=0),
        "get_rng_state_all": list,
    }
    try:
        # `module.cuda()` makes new parameters (ours hold their numbers in an attribute), and
        # `torch.tensor(1, device="cuda")` makes a CPU tensor and copies it, which we see.
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        torch._C._set_only_lift_cpu_tensors(True)
        with (
            mock.patch.multiple(torch.cuda, **answers),
            mock.patch.object(mmengine.device.utils, "DEVICE", "cuda"),
            mock.patch("torch.cuda.amp.common.amp_definitely_not_available", return_value=False),
            # In threads of its own the backward pass would not see what follows.
            torch.autograd.set_multithreading_enabled(False),
            _Everywhere(),
        ):
            yield _run.counts
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(overwrite)
        torch._C._set_only_lift_cpu_tensors(lifts)
