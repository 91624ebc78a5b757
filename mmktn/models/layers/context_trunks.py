"""Trunks with a context block before the convolutions: DeepLab, KTN and Parsing R-CNN (GCE).

detectron2's `DensePoseDeepLabHead`, KTN's `DensePoseKTNHead` and Parsing R-CNN's
`roi_xconv1up...gce`. All map pooled features (N, C, h, w) to (N, channels, h, w).
"""

from mmengine.model import BaseModule
from torch import Tensor

from mmktn.models.layers.aspp import ASPP
from mmktn.models.layers.conv_trunk import conv_stack
from mmktn.models.layers.nonlocal_block import NonLocal2d
from mmktn.models.layers.scale_convs import SharedDilationConvs
from mmktn.models.layers.winograd import channels_last_for_inference
from mmktn.registry import MODELS

GN32 = {"type": "GN", "num_groups": 32}


@MODELS.register_module()
class DeepLabTrunk(BaseModule):
    """ASPP, optional non-local block, 8 convolutions with GN.

    Args:
        in_channels: Channels of the pooled features and of the ASPP.
        channels: Channels of the convolutions.
        num_convs: Number of convolutions.
        rates: Dilations of the ASPP; 56 exceeds a 28 x 28 map and acts as 1 x 1.
        with_nonlocal: Insert the non-local block.
        norm_cfg: Normalisation, GN with 32 groups by default.
        init_cfg: As in `mmengine.model.BaseModule`.

    Reference:
        detectron2 DensePose DL models; 19 933 696 parameters without the non-local block.
    """

    def __init__(
        self,
        in_channels: int = 256,
        channels: int = 512,
        *,
        num_convs: int = 8,
        rates: tuple[int, ...] = (6, 12, 56),
        with_nonlocal: bool = False,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        norm_cfg = norm_cfg or GN32
        self.aspp = ASPP(
            in_channels,
            in_channels,
            out_channels=in_channels,
            rates=tuple(rates),
            norm_cfg=norm_cfg,
            project_bias=False,
        )
        self.nonlocal_block = NonLocal2d(in_channels, norm_cfg=norm_cfg) if with_nonlocal else None
        self.convs = conv_stack(in_channels, channels, num_convs=num_convs, norm_cfg=norm_cfg)
        self.out_channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, channels, h, w)."""
        x = self.aspp(channels_last_for_inference(x))
        if self.nonlocal_block is not None:
            x = self.nonlocal_block(x)
        return self.convs(x)


@MODELS.register_module()
class KTNTrunk(BaseModule):
    """Multi-dilation block with a shared kernel, 8 convolutions with GN.

    Args:
        in_channels: Channels of the pooled features.
        channels: Channels of the convolutions.
        num_convs: Number of convolutions.
        dilations: Dilations of the shared kernel.
        norm_cfg: Normalisation, GN with 32 groups by default.
        init_cfg: As in `mmengine.model.BaseModule`.

    Reference:
        KTN, TCSVT 2022; 18 622 464 parameters.
    """

    def __init__(
        self,
        in_channels: int = 256,
        channels: int = 512,
        *,
        num_convs: int = 8,
        dilations: tuple[int, ...] = (1, 6, 12),
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        norm_cfg = norm_cfg or GN32
        self.scale_convs = SharedDilationConvs(
            in_channels, dilations=tuple(dilations), norm_cfg=norm_cfg
        )
        self.convs = conv_stack(in_channels, channels, num_convs=num_convs, norm_cfg=norm_cfg)
        self.out_channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, channels, h, w)."""
        return self.convs(self.scale_convs(channels_last_for_inference(x)))


@MODELS.register_module()
class GCETrunk(BaseModule):
    """Geometric and context encoding: ASPP with biases, non-local block, 4 convolutions.

    Args:
        in_channels: Channels of the pooled features.
        channels: Channels after the ASPP and of the convolutions.
        branch_channels: Channels of each ASPP branch; `in_channels` by default.
        num_convs: Number of convolutions.
        rates: Dilations of the ASPP.
        norm_cfg: Normalisation inside the non-local block, GN with 32 groups by default.
        init_cfg: As in `mmengine.model.BaseModule`.

    Reference:
        Yang et al., Parsing R-CNN, CVPR 2019, section 3.3.
    """

    def __init__(
        self,
        in_channels: int = 256,
        channels: int = 512,
        *,
        branch_channels: int | None = None,
        num_convs: int = 4,
        rates: tuple[int, ...] = (6, 12, 18),
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.aspp = ASPP(
            in_channels,
            branch_channels or in_channels,
            out_channels=channels,
            rates=tuple(rates),
            norm_cfg=None,
            project_bias=True,
            pool_first=True,
        )
        self.nonlocal_block = NonLocal2d(
            channels, ratio=1.0, pool_input=True, scaled=True, norm_cfg=norm_cfg or GN32
        )
        self.convs = conv_stack(channels, channels, num_convs=num_convs, norm_cfg=None)
        self.out_channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, channels, h, w)."""
        x = self.aspp(channels_last_for_inference(x))
        return self.convs(self.nonlocal_block(x))
