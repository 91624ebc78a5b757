"""The table of dense maps: one declared object says all that the package has to know about a map.

A network predicts maps by name. Whatever is done to a map on its way (training, mirroring,
averaging over views, decoding, writing, drawing) is asked of the object that is declared under its
name, so that a map of your own needs one class and no change elsewhere
(docs/tutorials/own-map.md).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch
from torch import Tensor

from mmktn.structures.flip_rules import FlipRules

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Maps = Mapping[str, Tensor]
"""Name -> maps (N, C, h, w) of N boxes: `ChartOutput.as_dict()`."""


class DenseMap:
    """One kind of map, (N, C, h, w) for N boxes; subclasses are declared with `declare_map`.

    The methods here are those of a map of plain numbers that means the same in a mirror and in a
    turned picture (directions in the picture do not: leave turned views out). They have no state:
    what differs between models (channels, weight) is given in configs.

    Attributes:
        name: Key in `ChartOutput`, in configs and in the names of weights.
        channels: Channels where a config does not say another number.
        loss_name: Key of the loss; '' where another map's loss covers this map.
        weight: Weight of the loss where a config does not say another one.
        supervision: Labels that a person needs to train it: 'densepose' (points, parts) or
            'keypoints'.
        field: Name under which `ChartResult.fields` holds the decoded map; '' where the map is not
            decoded by itself.
        panel: Whether pictures show the field.
        per_chart: One channel for each chart, of which decoding reads that of the pixel's chart.
        needs: Maps that have to be predicted beside this one.
        replaces: Maps whose own losses are left out beside this one, whose loss covers them.
        changes: Maps that `apply` may change; where one of them is asked for, this map is made.
    """

    name: ClassVar[str]
    channels: ClassVar[int] = 1
    loss_name: ClassVar[str] = ""
    weight: ClassVar[float] = 1.0
    supervision: ClassVar[str] = "densepose"
    field: ClassVar[str] = ""
    panel: ClassVar[bool] = True
    per_chart: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()
    replaces: ClassVar[tuple[str, ...]] = ()
    changes: ClassVar[tuple[str, ...]] = ()

    def apply(self, maps: Maps) -> dict[str, Tensor]:
        """Return what this map does to itself and to others, before anything else sees them.

        Args:
            maps: All maps that a predictor made, enlarged; this one among them.

        Returns:
            Maps that replace those in `maps`: this one, and some of `changes`.
        """
        return {}

    def loss(self, output: Maps, context: Any) -> Tensor:
        """Return the loss without its weight.

        Args:
            output: All maps of N boxes; this one is `output[self.name]`.
            context: `mmktn.models.losses.LossContext`: targets and settings of the loss.

        Returns:
            Scalar that is connected to the map even where there is nothing to learn from.
        """
        raise NotImplementedError(f"{type(self).__name__} declares loss_name but no loss")

    def label_count(self, output: Maps, context: Any) -> int:
        """Return the labels that the mean of `loss` runs over.

        Needed with `sync_normalizers` alone; 1 weighs all processes alike.
        """
        return 1

    def loss_scale(self, context: Any, share: float) -> float:
        """Factor of the loss beside its weight; `share` makes a mean one over all processes."""
        return share

    def activate(self, maps: Tensor) -> Tensor:
        """Return maps as other branches read them: probabilities for logits, else as they are."""
        return maps

    def flip(self, mirrored: Maps, rules: FlipRules) -> dict[str, Tensor]:
        """Return what a mirror does to the channels.

        Args:
            mirrored: All maps, their grids mirrored already.
            rules: Symmetry tables of the surface.

        Returns:
            Maps that replace those in `mirrored`; at least this one, unless another map's `flip`
            gives it.
        """
        return {self.name: mirrored[self.name]}

    def flip_labels(self, mirrored: Tensor, rules: FlipRules) -> Tensor:
        """Return what a mirror does to the labels of a person.

        Args:
            mirrored: (256, 256) or (C, 256, 256) of `DensePoseAnnotation.label_maps`, the grid
                mirrored already.
            rules: Symmetry tables of the surface.
        """
        return mirrored

    def bound(self, maps: Tensor) -> Tensor:
        """Bring the maps of a view to the range that mirrored views have, before they are averaged.

        Needed where `flip` cannot but cut values off.
        """
        return maps

    def average(self, views: Sequence[Maps], *, uv_by_chart: bool = False) -> Tensor:
        """Mean over views of the same boxes.

        Args:
            views: Maps of each view, mirrored back and of equal shapes.
            uv_by_chart: See `average_views`.
        """
        return torch.stack([view[self.name].float() for view in views]).mean(dim=0)

    def decode(self, values: Tensor, labels: Tensor) -> Tensor:
        """Return the decoded field of some pixels of one box.

        Args:
            values: (C, h, w) the map, resized to these pixels; with `per_chart` (1, h, w), the
                channel of each pixel's chart.
            labels: (h, w) int64 chart of each pixel, 0 background.

        Returns:
            (h, w) or (K, h, w), what `ChartResult.fields[self.field]` holds and the npz file gets.
        """
        return values * (labels > 0)

    def draw(self, values: NDArray[Any]) -> NDArray[np.uint8] | None:
        """Return the picture of a decoded field.

        Args:
            values: What `decode` gave, as an array.

        Returns:
            (h, w, 3) uint8 RGB; None for the general look: the first channel in false colours, from
            its smallest value on the persons to its largest.
        """
        return None


_Kind = TypeVar("_Kind", bound=type[DenseMap])

_TABLE: dict[str, DenseMap] = {}


def declare_map(kind: _Kind) -> _Kind:
    """Put a map into the table (class decorator).

    Raises:
        ValueError: Another class has that name, or one of the names is unusable.
    """
    name = getattr(kind, "name", "")
    if not name.isidentifier():
        raise ValueError(f"{kind.__name__}.name: {name!r} is no name (letters, digits, '_')")
    known = _TABLE.get(name)
    if known is not None and _place(type(known)) != _place(kind):
        raise ValueError(f"the map {name!r} is declared by {_place(type(known))} already")
    _TABLE[name] = kind()
    return kind


def declared_map(name: str) -> DenseMap:
    """Give the object that is declared under a name.

    Raises:
        ValueError: There is none.
    """
    if name not in _TABLE and name not in declared_names():
        raise ValueError(
            f"no map {name!r} is declared (known: {', '.join(_TABLE)}); decorate its "
            "class with mmktn.structures.declare_map and import it by custom_imports"
        )
    return _TABLE[name]


def declared_names() -> list[str]:
    """Return the names of all maps, in the order of their declaration."""
    # Who asks may have imported no network; the package's own maps are there all the same.
    importlib.import_module("mmktn.models.maps")
    return list(_TABLE)


def _place(kind: type) -> str:
    """Tell where a class stands: a module that is loaded twice declares its maps twice."""
    return f"{kind.__module__}.{kind.__qualname__}"
