# HRNet-W32, COCO 384x288: the STIP row (paper: AP 76.5).
_base_ = "stip_hrnet-w32_8xb48-210e_coco-256x192.py"
from mmktn.utils.config_parts import at_384x288

globals().update(at_384x288(_base_))
