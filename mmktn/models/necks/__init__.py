"""Necks that turn FPN levels into one stride-4 map for the dense-pose branch."""

from mmktn.models.necks.mid_v1 import MultiInstanceDecoderV1
from mmktn.models.necks.mid_v2 import MultiInstanceDecoderV2
from mmktn.models.necks.panoptic_decoder import PanopticFPNDecoder

__all__ = ["MultiInstanceDecoderV1", "MultiInstanceDecoderV2", "PanopticFPNDecoder"]
