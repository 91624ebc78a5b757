"""Fusion unit of the cross-cascade: first predictions -> features of the second stage.

Guler et al., DensePose, CVPR 2018, section 3.3 and figure 7: the predictions of all tasks are
"combined" and refined. The paper gives no operator; this one is chosen here.
"""

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.models.layers import kaiming_out
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, declared_map


@MODELS.register_module()
class CrossTaskFusion(BaseModule):
    """F1 = F0 + conv1x1(ReLU(conv3x3(concat(F0, Z)))), Z the predictions pooled to the cells of F0.

    Z holds, in this order and as far as they are predicted: softmax of S, softmax of I, U, V,
    softmax of M, maps of others as they declare (`DenseMap.activate`), sigmoid of the mask, sigmoid
    of the keypoint maps. Gradients pass through all.

    Args:
        in_channels: Channels of F0.
        prediction_channels: Channels of Z: 90 for S15, I, U, V; 91 with a mask; 107 with 17
            keypoints.
        channels: Channels between the two convolutions.
        zero_init: Start with F1 = F0, so that the second stage starts as the first does.
        init_cfg: As in `mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        in_channels: int = 256,
        prediction_channels: int = 90,
        *,
        channels: int = 256,
        zero_init: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.prediction_channels = prediction_channels
        self.mix = ConvModule(in_channels + prediction_channels, channels, 3, padding=1)
        kaiming_out(self.mix.conv)
        self.output = kaiming_out(nn.Conv2d(channels, in_channels, 1))
        if zero_init:
            nn.init.zeros_(self.output.weight)

    def forward(
        self,
        x: Tensor,
        charts: ChartOutput,
        *,
        mask_logits: Tensor | None = None,
        keypoint_heatmaps: Tensor | None = None,
    ) -> Tensor:
        """Refine pooled features.

        Args:
            x: (N, C, h, w) pooled features F0; N may be 0.
            charts: First-stage maps of the DensePose branch, of any size.
            mask_logits: (N, 1, ., .) of the mask branch.
            keypoint_heatmaps: (N, K, ., .) of the keypoint branch.

        Returns:
            (N, C, h, w) features F1.

        Raises:
            ValueError: The predictions have another number of channels than
                `prediction_channels`.
        """
        maps = self.combine(charts, mask_logits, keypoint_heatmaps)
        found = sum(item.shape[1] for item in maps)
        if found != self.prediction_channels:
            raise ValueError(
                f"fusion.prediction_channels={self.prediction_channels}, but the first stage "
                f"predicts {found} channels"
            )
        size = (x.shape[-2], x.shape[-1])
        pooled = [F.adaptive_avg_pool2d(item, size) for item in maps]
        return x + self.output(self.mix(torch.cat([x, *pooled], dim=1)))

    @staticmethod
    def combine(
        charts: ChartOutput, mask_logits: Tensor | None, keypoint_heatmaps: Tensor | None
    ) -> list[Tensor]:
        """Return the predictions as probabilities and coordinates, in the order of Z."""
        found = [declared_map(name).activate(maps) for name, maps in charts.items()]
        others = [maps.sigmoid() for maps in (mask_logits, keypoint_heatmaps) if maps is not None]
        return found + others
