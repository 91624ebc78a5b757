# s1x_clip that starts from a fortieth of the learning rate.
_base_ = "s1x_clip.py"
from mmktn.utils.config_parts import with_step

param_scheduler = with_step(_base_.param_scheduler, "LinearLR", start_factor=0.025)
