"""Measure how much tensor memory a piece of code holds at its peak, on any device.

Counts the storages that come into being while the meter runs and are still alive: exact for what
PyTorch's operators return, blind to scratch space inside a kernel.
"""

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemoryMeter(TorchDispatchMode):
    """Context manager that follows the live tensor bytes made inside it.

    Attributes:
        live_bytes: Bytes made inside and alive now.
        peak_bytes: Largest value of `live_bytes` so far.

    Example:
        >>> with PeakMemoryMeter() as meter:
        ...     x = torch.zeros(1024) + 1
        >>> meter.peak_bytes
        8192
    """

    def __init__(self) -> None:
        super().__init__()
        self.live_bytes = 0
        self.peak_bytes = 0
        self._seen: set[int] = set()

    def _forget(self, address: int, size: int) -> None:
        self._seen.discard(address)
        self.live_bytes -= size

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        known = {
            t.untyped_storage()._cdata
            for t in tree_leaves((args, kwargs))
            if isinstance(t, torch.Tensor)
        }
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if not isinstance(tensor, torch.Tensor):
                continue
            storage = tensor.untyped_storage()
            if storage._cdata in known or storage._cdata in self._seen:
                continue
            self._seen.add(storage._cdata)
            self.live_bytes += storage.nbytes()
            weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes())
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        return out
