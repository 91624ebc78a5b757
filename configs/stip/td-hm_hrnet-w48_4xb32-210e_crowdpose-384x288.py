# HRNet-W48, CrowdPose 384x288: the baseline row (paper: AP 73.9).
_base_ = "td-hm_hrnet-w48_4xb32-210e_crowdpose-256x192.py"
from mmktn.utils.config_parts import at_384x288

globals().update(at_384x288(_base_))
