# 24 k iterations of 16 images, for models that start from others (CVPR 2021).
_base_ = "s1x_cse.py"
from mmktn.utils.config_parts import with_step

max_iters = 24000

train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = with_step(
    _base_.param_scheduler, "MultiStepLR", end=max_iters, milestones=[20000, 22000]
)
