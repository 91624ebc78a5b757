"""A list of per-instance records that lives inside mmengine's InstanceData beside tensors.

InstanceData indexes custom fields through slices and joins them with a static `cat`; `.to(device)`
reaches a field that has `.to`. Its `.cpu()`, `.cuda()` and `.detach()` skip everything that is not
a tensor (mmengine 0.10.12), so use `.to` there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Self

Index: TypeAlias = "slice | list[int] | list[bool] | NDArray[Any] | Tensor"


class TensorRecord(Protocol):
    """What an item must offer: `map` applies a function to each of its tensors."""

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return a copy with `function` applied to every tensor."""


Record = TypeVar("Record", bound=TensorRecord)


def move_tensor(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`tensor.to(...)`, except that a dtype given there never changes integer or bool tensors."""
    moved = tensor.to(*args, **kwargs)
    return moved if tensor.is_floating_point() else moved.to(tensor.dtype)


class InstanceList(Generic[Record]):
    """List of N records, one an instance.

    Args:
        items: The records, kept in order.
    """

    def __init__(self, items: Iterable[Record] = ()) -> None:
        self._items: list[Record] = list(items)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} instances)"

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: Index) -> Self: ...

    def __getitem__(self, index: int | Index) -> Record | Self:
        """Take one record (int) or a container of some (slice, bool mask, ids).

        Raises:
            IndexError: An id is out of range or a mask has another length than the container.
        """
        if isinstance(index, int | np.integer):
            return self._items[int(index)]
        if isinstance(index, slice):
            return self._like(self._items[index])
        ids = index.detach().cpu().numpy() if isinstance(index, Tensor) else np.asarray(index)
        if ids.ndim != 1:
            raise IndexError(
                f"{type(self).__name__}: index must have one dimension, has {ids.ndim}"
            )
        if ids.dtype == bool:
            if len(ids) != len(self):
                raise IndexError(
                    f"{type(self).__name__}: mask of {len(ids)} for {len(self)} instances"
                )
            ids = np.flatnonzero(ids)
        return self._like(self._items[int(i)] for i in ids)

    @staticmethod
    def cat(containers: list[Any]) -> Any:
        """Join containers of one type in order.

        Raises:
            ValueError: Nothing to join.
        """
        if not containers:
            raise ValueError("cat needs at least one container")
        return containers[0]._like(item for container in containers for item in container)

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply a function to every tensor of every record."""
        return self._like(item.map(function) for item in self._items)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move to a device; a dtype applies to floating point only. Arguments as `Tensor.to`."""
        return self.map(lambda tensor: move_tensor(tensor, *args, **kwargs))

    def cpu(self) -> Self:
        """Move to the CPU."""
        return self.to("cpu")

    def cuda(self, device: int | str | torch.device | None = None) -> Self:
        """Move to a CUDA device (the current one by default)."""
        return self.to(
            "cuda"
            if device is None
            else torch.device("cuda", device)
            if isinstance(device, int)
            else device
        )

    def detach(self) -> Self:
        """Detach every tensor from the graph."""
        return self.map(Tensor.detach)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._like(copy.deepcopy(item, memo) for item in self._items)

    def _like(self, items: Iterable[Record]) -> Self:
        """Build a container of the same class."""
        return type(self)(items)
