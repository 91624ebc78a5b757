"""Chart predictors whose last layers are ordinary convolutions, with and without a KTM.

AMA-net (3 x 3, no enlargement), SimpleBaseline and HRNet (1 x 1, then bilinear x2). Same maps,
machine and folding as the predictors with transposed convolutions.
"""

from collections.abc import Sequence
from typing import Any

from mmktn.models.predictors.chart_predictor import ChartPredictor
from mmktn.models.predictors.ktm_chart_predictor import KTMv1ChartPredictor, KTMv2ChartPredictor
from mmktn.models.predictors.map_layers import ConvLayers
from mmktn.registry import MODELS


@MODELS.register_module()
class ConvChartPredictor(ChartPredictor):
    """Independent convolutions for each map.

    Args:
        in_channels: Channels of the trunk.
        coarse_channels: Channels of the coarse map: 2, 15 or 0 (none).
        kernel_size: 1 or 3.
        **kwargs: As `ChartPredictor`: `with_body_mask`, `num_keypoints`, `upscale` (2 by default; 1
            keeps the resolution of the features), `keypoint_upscale`, `init_cfg`.
    """

    def __init__(
        self, in_channels: int, coarse_channels: int = 2, *, kernel_size: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(in_channels, coarse_channels, layers=ConvLayers(kernel_size), **kwargs)


@MODELS.register_module()
class ConvKTMv1ChartPredictor(KTMv1ChartPredictor):
    """Surface classifier from the keypoint classifier, all of them convolutions.

    Args:
        in_channels: Channels of the trunk.
        coarse_channels: Channels of the coarse map: 2, 15 or 0 (none).
        kernel_size: 1 or 3.
        keypoint_upscale: Bilinear factor of the keypoint heat-maps; None: as `upscale`.
        **kwargs: As `KTMv1ChartPredictor`: `with_body_mask`, `num_keypoints`, `mlp`, `graph`,
            `transformer`, `folded`, `upscale`, `init_cfg`.
    """

    def __init__(
        self,
        in_channels: int,
        coarse_channels: int = 2,
        *,
        kernel_size: int = 1,
        keypoint_upscale: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            in_channels,
            coarse_channels,
            keypoint_upscale=keypoint_upscale,
            layers=ConvLayers(kernel_size),
            **kwargs,
        )


@MODELS.register_module()
class ConvKTMv2ChartPredictor(KTMv2ChartPredictor):
    """Surface classifier from keypoint and part classifiers, all of them convolutions.

    Args:
        in_channels: Channels of the trunk.
        coarse_channels: Channels of the coarse map; the source 'part' needs 15.
        kernel_size: 1 or 3.
        sources: As in `KTMv2ChartPredictor`; without 'box', since fully convolutional systems have
            no box head.
        **kwargs: As `KTMv2ChartPredictor`: `with_body_mask`, `num_keypoints`, `box_dim`, `graph`,
            `transformer`, `folded`, `upscale`, `keypoint_upscale`, `init_cfg`.
    """

    def __init__(
        self,
        in_channels: int,
        coarse_channels: int = 15,
        *,
        kernel_size: int = 1,
        sources: Sequence[str] = ("keypoint", "part"),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            in_channels,
            coarse_channels,
            sources=sources,
            layers=ConvLayers(kernel_size),
            **kwargs,
        )
