# 24 k iterations of 16 images, for models that start from others (CVPR 2021).
_base_ = "s1x_cse.py"

max_iters = 24000

train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(step, end=max_iters, milestones=[20000, 22000]) if step.type == "MultiStepLR" else step
    for step in _base_.param_scheduler
]
