"""RoI pooling of every box from every level: the multi-path input of AMA-net."""

from collections.abc import Sequence

import torch
from mmcv.ops import RoIAlign
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.registry import MODELS


@MODELS.register_module()
class MultiLevelRoIExtractor(BaseModule):
    """Pool each RoI from all levels, at a size for each level.

    Args:
        output_sizes: Side of the pooled maps, finest level first.
        featmap_strides: Stride of each level.
        out_channels: Channels of the levels.
        sampling_ratio: Samples a cell and axis.
        aligned: Half-pixel rule of RoIAlign; detectron2's DensePose pools with False.
        init_cfg: As in `mmengine.model.BaseModule`.

    Raises:
        ValueError: Not one size for each level.
    """

    def __init__(
        self,
        output_sizes: Sequence[int],
        featmap_strides: Sequence[int] = (4, 8, 16, 32),
        *,
        out_channels: int = 256,
        sampling_ratio: int = 2,
        aligned: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(output_sizes) != len(featmap_strides):
            raise ValueError(
                f"output_sizes {list(output_sizes)} and featmap_strides {list(featmap_strides)} "
                "have to be one each level"
            )
        self.out_channels = out_channels
        self.roi_layers = nn.ModuleList(
            RoIAlign(size, spatial_scale=1 / stride, sampling_ratio=sampling_ratio, aligned=aligned)
            for size, stride in zip(output_sizes, featmap_strides, strict=True)
        )

    @property
    def num_inputs(self) -> int:
        """Number of levels read."""
        return len(self.roi_layers)

    def forward(self, feats: Sequence[Tensor], rois: Tensor) -> tuple[Tensor, ...]:
        """Pool.

        Args:
            feats: Levels (B, C, h, w), finest first.
            rois: (N, 5) image index and xyxy in network-input pixels.

        Returns:
            For each level (N, C, size, size).
        """
        rois = rois.to(torch.promote_types(feats[0].dtype, torch.float32))
        return tuple(
            layer(level, rois.type_as(level))
            for layer, level in zip(self.roi_layers, feats, strict=True)
        )
