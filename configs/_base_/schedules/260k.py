# 260 k iterations of 8 images, as KTN v1 and its baseline are trained.
_base_ = "s1x.py"

max_iters = 260000

train_cfg = dict(max_iters=max_iters)

# Learning rate 0.002 belongs to 8 images per iteration.
optim_wrapper = dict(optimizer=dict(lr=0.002))
auto_scale_lr = dict(base_batch_size=8)

param_scheduler = [
    # LinearLR reaches the full rate at its last iteration, end - 1: 1000, as in the official code.
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=1001),
    dict(
        type="MultiStepLR",
        begin=0,
        end=max_iters,
        by_epoch=False,
        milestones=[200000, 240000],
        gamma=0.1,
    ),
]
