"""Heat-maps of keypoints."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmktn.models.losses.keypoint_map_loss import keypoint_map_loss
from mmktn.models.losses.loss_context import LossContext
from mmktn.models.maps.segmentation import log_mean, permuted
from mmktn.structures import DenseMap, FlipRules, declare_map
from mmktn.structures.map_table import Maps


@declare_map
class KeypointHeatmaps(DenseMap):
    """Logits over the cells, one channel per keypoint; their h, w may differ from other maps."""

    name = "keypoint_heatmaps"
    channels = 17
    loss_name = "loss_keypoint"
    weight = 0.1
    supervision = "keypoints"

    def loss(self, output: Maps, context: LossContext) -> Tensor:
        """Compute the spatial cross entropy, mean over the labelled keypoints inside their RoI."""
        return keypoint_map_loss(output[self.name], context.targets)

    def label_count(self, output: Maps, context: LossContext) -> int:
        """Return the labelled keypoints inside their RoI."""
        height, width = output[self.name].shape[-2:]
        found = context.targets.keypoint_cells((height, width))
        return 0 if found is None else int(found[1].sum())

    def activate(self, maps: Tensor) -> Tensor:
        """Compute the sigmoid of each cell."""
        return maps.sigmoid()

    def flip(self, mirrored: Maps, rules: FlipRules) -> dict[str, Tensor]:
        """Swap left and right keypoints."""
        return {self.name: permuted(mirrored[self.name], rules.keypoint_flip)}

    def average(self, views: Sequence[Maps], *, uv_by_chart: bool = False) -> Tensor:
        """Log of the mean probability over the cells."""
        stacked = torch.stack([view[self.name].float() for view in views])
        return log_mean(stacked.flatten(3).log_softmax(dim=3)).view_as(stacked[0])
