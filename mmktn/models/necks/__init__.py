"""Necks: FPN levels -> one stride-4 map for the dense-pose branch, and the pyramid of HRNet."""

from mmktn.models.necks.hrfpn import KTNHRFPN
from mmktn.models.necks.mid_v1 import MultiInstanceDecoderV1
from mmktn.models.necks.mid_v2 import MultiInstanceDecoderV2
from mmktn.models.necks.panoptic_decoder import PanopticFPNDecoder

__all__ = ["KTNHRFPN", "MultiInstanceDecoderV1", "MultiInstanceDecoderV2", "PanopticFPNDecoder"]
