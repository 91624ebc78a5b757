"""Chart predictor of DensePose R-CNN (Guler et al., CVPR 2018, section 3.2).

`DensePoseChartPredictor` of detectron2 (coarse map of 2 or 15 channels) and the star predictor of
KTN's baseline (body mask instead of, or beside, the coarse map). Without charts it is the predictor
of one of the single tasks: body, parts or keypoints.
"""

from collections.abc import Mapping, Sequence

from mmktn.models.predictors.map_predictor import MapPredictor
from mmktn.registry import MODELS
from mmktn.surface.parts import NUM_CHARTS


@MODELS.register_module()
class ChartPredictor(MapPredictor):
    """A transposed or ordinary convolution for each map.

    Args:
        in_channels: Channels of the trunk.
        coarse_channels: Channels of the coarse map: 2 (person or not), 15 (parts) or 0 (none).
        with_body_mask: Also predict a 2-channel body mask (beside a 15-channel coarse map).
        num_keypoints: Keypoint heat-maps; 0: none.
        with_charts: Predict I, U, V; off for a task of its own.
        upscale: Bilinear factor after the transposed convolutions.
        keypoint_upscale: The same for keypoint heat-maps; None: as `upscale`.
        extra_maps: As in `MapPredictor`.
        conv_kernel: As in `MapPredictor`.
        init_cfg: As in `mmengine.model.BaseModule`.

    Raises:
        ValueError: Everything is switched off.

    Reference:
        630 861 (coarse 2) or 737 370 (coarse 15) parameters for 512 channels.
    """

    def __init__(
        self,
        in_channels: int = 512,
        coarse_channels: int = 2,
        *,
        with_body_mask: bool = False,
        num_keypoints: int = 0,
        with_charts: bool = True,
        upscale: int = 2,
        keypoint_upscale: int | None = None,
        extra_maps: Mapping[str, int] | Sequence[str] = (),
        conv_kernel: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        charts = NUM_CHARTS + 1 if with_charts else 0
        channels = {
            "coarse_segm": coarse_channels,
            "fine_segm": charts,
            "u": charts,
            "v": charts,
            "body_mask": 2 if with_body_mask else 0,
            "keypoint_heatmaps": num_keypoints,
        }
        if not any(channels.values()) and not extra_maps:
            raise ValueError(
                "this predictor makes no map: switch on with_charts, coarse_channels, "
                "with_body_mask or num_keypoints"
            )
        super().__init__(
            in_channels,
            channels,
            upscale=upscale,
            keypoint_upscale=keypoint_upscale,
            extra_maps=extra_maps,
            conv_kernel=conv_kernel,
            init_cfg=init_cfg,
        )
