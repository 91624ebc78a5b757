# 24 k iterations of 16 images, for models that start from others (CVPR 2021).
_base_ = "s1x_cse.py"

max_iters = 24000

train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=1001),
    dict(
        type="MultiStepLR",
        begin=0,
        end=max_iters,
        by_epoch=False,
        milestones=[20000, 22000],
        gamma=0.1,
    ),
]
