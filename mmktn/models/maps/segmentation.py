"""Maps of classes: the charts, the coarse parts, the body."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmktn.models.losses.loss_context import LossContext
from mmktn.models.losses.reductions import zero_connected_to
from mmktn.models.losses.segm_losses import (
    coarse_segm_loss,
    fine_segm_loss,
    mask_segm_loss,
)
from mmktn.structures import DenseMap, FlipRules, declare_map, declared_map
from mmktn.structures.map_table import Maps, declared_names

_NUM_PART_CHANNELS = 15


class ClassMap(DenseMap):
    """Logits of classes, one of which holds in each cell."""

    def activate(self, maps: Tensor) -> Tensor:
        """Compute the softmax over the classes."""
        return maps.softmax(dim=1)

    def average(self, views: Sequence[Maps], *, uv_by_chart: bool = False) -> Tensor:
        """Log of the mean probability, so that a view with large logits does not outvote others."""
        return log_mean(torch.stack([view[self.name].float() for view in views]).log_softmax(dim=2))


@declare_map
class FineSegm(ClassMap):
    """Background and the 24 charts (I); learned at annotated points."""

    name = "fine_segm"
    channels = 25
    loss_name = "loss_fine_segm"

    def loss(self, output: Maps, context: LossContext) -> Tensor:
        """Compute the cross entropy, mean over the points."""
        return fine_segm_loss(
            output[self.name], context.targets, half_pixel=context.half_pixel, cells=context.cells
        )

    def label_count(self, output: Maps, context: LossContext) -> int:
        """Return the points, and cells labelled by a teacher."""
        cells = 0 if context.cells is None else len(context.cells)
        return len(context.targets.roi_index) + cells

    def flip(self, mirrored: Maps, rules: FlipRules) -> dict[str, Tensor]:
        """Swap left and right charts."""
        return {self.name: permuted(mirrored[self.name], rules.chart_flip)}


class CoarseMap(ClassMap):
    """Body or parts, learned from the coarse masks, at every cell."""

    def loss(self, output: Maps, context: LossContext) -> Tensor:
        """Compute the cross entropy, mean over all cells of annotated RoIs."""
        maps, targets = output[self.name], context.targets
        if context.coarse_from_masks:
            return mask_segm_loss(maps, targets, without_points=context.masks_alone)
        if context.coarse_needs_all and not targets.coarse_complete:
            return zero_connected_to(maps)
        return coarse_segm_loss(maps, targets, half_pixel=context.half_pixel)

    def label_count(self, output: Maps, context: LossContext) -> int:
        """Return the coarse masks."""
        targets = context.targets
        return len(targets) if context.coarse_from_masks else len(targets.coarse_index)


@declare_map
class CoarseSegm(CoarseMap):
    """Person or not (2 channels), or background and the 14 coarse parts (15): S."""

    name = "coarse_segm"
    channels = 2
    loss_name = "loss_coarse_segm"
    weight = 5.0

    def flip(self, mirrored: Maps, rules: FlipRules) -> dict[str, Tensor]:
        """Swap left and right parts; the body alone has no sides."""
        maps = mirrored[self.name]
        if maps.shape[1] == _NUM_PART_CHANNELS:
            maps = permuted(maps, rules.coarse_flip)
        return {self.name: maps}


@declare_map
class BodyMask(CoarseMap):
    """Person or not, where it is predicted beside 15-way parts: M of KTN."""

    name = "body_mask"
    channels = 2
    loss_name = "loss_body_mask"
    weight = 5.0


def require_class_map(argument: str, name: str) -> None:
    """Check that a setting names a map of classes.

    Raises:
        ValueError: It does not.
    """
    known = [other for other in declared_names() if isinstance(declared_map(other), ClassMap)]
    if name not in known:
        raise ValueError(f"{argument}={name!r} is no map of classes; these are: {known}")


def permuted(maps: Tensor, table: NDArray[np.int64]) -> Tensor:
    """Permute the channels of maps (N, C, h, w); the permutation undoes itself."""
    return maps[:, torch.tensor(table, device=maps.device)]


def log_mean(log_probabilities: Tensor) -> Tensor:
    """Log of the mean over the first axis."""
    return log_probabilities.logsumexp(dim=0) - math.log(len(log_probabilities))
