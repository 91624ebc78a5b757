"""Raw maps that a DensePose head gives for N RoIs or crops, before decoding.

Where detectron2's DensePose passes tuples whose length and order differ between predictors, every
map here has a name, and the table of maps (map_table.py) says what its name means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, overload

from torch import Tensor, cat
from torch.jit import is_tracing

from mmktn.structures.flip_rules import FlipRules
from mmktn.structures.instance_list import move_tensor
from mmktn.structures.map_table import declared_map


class ChartOutput:
    """Named maps (N, C, h, w) of N instances, in a fixed order.

    `output["u"]` is a map, `output[3]`, `output[2:5]` or `output[mask]` are instances. The maps of
    DensePose, KTN and their tasks are declared in `mmktn.models.maps`.

    Args:
        maps: Name -> maps.
        **named: The same as keywords; None leaves a map out.

    Raises:
        ValueError: No map, or maps of different numbers of instances.
    """

    def __init__(self, maps: Mapping[str, Tensor] | None = None, **named: Tensor | None) -> None:
        found = dict(maps or {}) | {k: item for k, item in named.items() if item is not None}
        if not found:
            raise ValueError("ChartOutput: no map is given")
        counts = {name: len(item) for name, item in found.items()}
        if len(set(counts.values())) > 1:
            raise ValueError(f"ChartOutput: maps of different numbers of instances: {counts}")
        self._maps: dict[str, Tensor] = found

    def __len__(self) -> int:
        return len(next(iter(self._maps.values())))

    def __contains__(self, name: object) -> bool:
        return name in self._maps

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {tuple(item.shape)}" for name, item in self.items())
        return f"ChartOutput({shapes})"

    @overload
    def __getitem__(self, index: str) -> Tensor: ...

    @overload
    def __getitem__(self, index: int | slice | list[int] | Tensor) -> ChartOutput: ...

    def __getitem__(self, index: str | int | slice | list[int] | Tensor) -> Tensor | ChartOutput:
        """Take a map (str) or instances; an int keeps the dimension (a batch of one).

        Raises:
            ValueError: The map is not predicted.
            IndexError: The int is out of range.
        """
        if isinstance(index, str):
            if index not in self._maps:
                raise ValueError(f"{index} is not predicted; these maps are: {list(self._maps)}")
            return self._maps[index]
        if isinstance(index, int):
            if not -len(self) <= index < len(self):
                raise IndexError(f"ChartOutput: index {index} for {len(self)} instances")
            index = [index]
        return self.map(lambda maps: maps[index])

    @property
    def map_hw(self) -> tuple[int, int]:
        """Size of the chart maps in cells."""
        fine_segm = self["fine_segm"]
        return fine_segm.shape[-2], fine_segm.shape[-1]

    def get(self, name: str) -> Tensor | None:
        """Take a map, None if it is not predicted."""
        return self._maps.get(name)

    def names(self) -> list[str]:
        """Return the names of the maps, in order."""
        return list(self._maps)

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """Iterate over (name, maps)."""
        return iter(self._maps.items())

    def as_dict(self) -> dict[str, Tensor]:
        """Give the maps as a new dict."""
        return dict(self._maps)

    def traceable(self) -> ChartOutput | dict[str, Tensor]:
        """Give itself, or the maps as a dict while `torch.jit` traces, which knows plain types.

        mmengine's counter of operations traces a model; `mode="tensor"` ends in this.
        """
        return self.as_dict() if is_tracing() else self

    def replace(self, **maps: Tensor) -> ChartOutput:
        """Give a copy in which some maps are others, or new."""
        return ChartOutput(self._maps | maps)

    def map(self, function: Callable[[Tensor], Tensor]) -> ChartOutput:
        """Apply a function to every map."""
        return ChartOutput({name: function(maps) for name, maps in self.items()})

    def to(self, *args: Any, **kwargs: Any) -> ChartOutput:
        """Move or cast all maps; arguments as `Tensor.to`."""
        return self.map(lambda maps: move_tensor(maps, *args, **kwargs))

    def detach(self) -> ChartOutput:
        """Detach all maps from the graph."""
        return self.map(Tensor.detach)

    def flip(self, rules: FlipRules) -> ChartOutput:
        """Mirror left to right, for averaging with maps of a mirrored image.

        The grid is mirrored; then each map's declaration says what happens to its channels.

        Args:
            rules: Tables of the surface.

        Returns:
            Maps of the mirrored person on the mirrored grid.

        Raises:
            ValueError: A map needs a table that the rules do not have.
        """
        maps = {name: item.flip(-1) for name, item in self.items()}
        flipped = dict(maps)
        for name in maps:
            flipped |= declared_map(name).flip(maps, rules)
        return ChartOutput(flipped)

    def bounded(self) -> ChartOutput:
        """Bring the maps to the range that mirrored ones have (`DenseMap.bound`)."""
        return ChartOutput({name: declared_map(name).bound(maps) for name, maps in self.items()})

    @staticmethod
    def cat(outputs: list[ChartOutput]) -> ChartOutput:
        """Join outputs along N.

        Raises:
            ValueError: Nothing to join, or the outputs carry different maps.
        """
        if not outputs:
            raise ValueError("cat needs at least one ChartOutput")
        names = [output.names() for output in outputs]
        if any(set(other) != set(names[0]) for other in names):
            raise ValueError(f"ChartOutput.cat: the outputs carry different maps: {names}")
        return ChartOutput({name: cat([output[name] for output in outputs]) for name in names[0]})
