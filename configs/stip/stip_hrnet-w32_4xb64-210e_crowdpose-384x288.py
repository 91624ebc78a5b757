# HRNet-W32, CrowdPose 384x288: the STIP row (paper: AP 74.7).
_base_ = "stip_hrnet-w32_4xb64-210e_crowdpose-256x192.py"
from mmktn.utils.config_parts import at_384x288

globals().update(at_384x288(_base_))
