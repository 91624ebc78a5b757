"""Building blocks of necks and heads; the trunks are registered in MODELS."""

from mmktn.models.layers.aspp import ASPP
from mmktn.models.layers.context_trunks import DeepLabTrunk, GCETrunk, KTNTrunk
from mmktn.models.layers.conv_ops import accumulate, conv1x1_of_concat, dilated_conv
from mmktn.models.layers.conv_trunk import ConvTrunk, conv_block, conv_stack
from mmktn.models.layers.deconv_trunk import DeconvTrunk
from mmktn.models.layers.multi_path_trunk import MultiPathTrunk, PathFeatures
from mmktn.models.layers.nonlocal_block import NonLocal2d
from mmktn.models.layers.pixel_rearrange import depth_to_space, space_to_depth
from mmktn.models.layers.scale_convs import SharedDilationConvs
from mmktn.models.layers.weight_init import kaiming_out
from mmktn.models.layers.winograd import WinogradConv2d, channels_last_for_inference

__all__ = [
    "ASPP",
    "ConvTrunk",
    "DeconvTrunk",
    "DeepLabTrunk",
    "GCETrunk",
    "KTNTrunk",
    "MultiPathTrunk",
    "NonLocal2d",
    "PathFeatures",
    "SharedDilationConvs",
    "WinogradConv2d",
    "accumulate",
    "channels_last_for_inference",
    "conv1x1_of_concat",
    "conv_block",
    "conv_stack",
    "depth_to_space",
    "dilated_conv",
    "kaiming_out",
    "space_to_depth",
]
