"""Stack of 3 x 3 convolutions: the DensePose R-CNN head (Guler et al., CVPR 2018, section 3.2).

`DensePoseV1ConvXHead` of detectron2: 8 convolutions of 512 channels with ReLU; with `norm_cfg` GN
the same stack closes the DeepLab and KTN trunks.
"""

import itertools

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.models.layers.winograd import channels_last_for_inference
from mmktn.registry import MODELS


def conv_block(
    in_channels: int, out_channels: int, *, dilation: int = 1, norm_cfg: dict | None = None
) -> ConvModule:
    """Build [conv 3 x 3, norm or bias, ReLU], kaiming-out initialised, fast at inference."""
    return ConvModule(
        in_channels,
        out_channels,
        3,
        padding=dilation,
        dilation=dilation,
        conv_cfg={"type": "mmktn.WinogradConv2d"},
        norm_cfg=norm_cfg,
    )


def conv_stack(
    in_channels: int, channels: int, *, num_convs: int, norm_cfg: dict | None
) -> nn.Sequential:
    """Build `num_convs` x [conv 3 x 3, norm or bias, ReLU], kaiming-out initialised."""
    widths = [in_channels] + [channels] * num_convs
    return nn.Sequential(
        *(
            conv_block(before, after, norm_cfg=norm_cfg)
            for before, after in itertools.pairwise(widths)
        )
    )


@MODELS.register_module()
class ConvTrunk(BaseModule):
    """Stack of 3 x 3 convolutions with ReLU.

    Args:
        in_channels: Channels of the pooled features.
        channels: Channels of every convolution and of the result.
        num_convs: Number of convolutions.
        norm_cfg: Normalisation after each convolution (then without bias); None: bias only.
        init_cfg: As in `mmengine.model.BaseModule`.

    Reference:
        DensePose, CVPR 2018, section 3.2: 17 698 816 parameters for 256 -> 512 x 8.
    """

    def __init__(
        self,
        in_channels: int = 256,
        channels: int = 512,
        *,
        num_convs: int = 8,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.convs = conv_stack(in_channels, channels, num_convs=num_convs, norm_cfg=norm_cfg)
        self.out_channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, channels, h, w)."""
        return self.convs(channels_last_for_inference(x))
