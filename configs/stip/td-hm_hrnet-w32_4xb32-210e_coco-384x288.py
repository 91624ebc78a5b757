# HRNet-W32, COCO 384x288: the baseline row (paper: AP 75.8).
_base_ = "td-hm_hrnet-w32_4xb32-210e_coco-256x192.py"
from mmktn.utils.config_parts import at_384x288

globals().update(at_384x288(_base_))
