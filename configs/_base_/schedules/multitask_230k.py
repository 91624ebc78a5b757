# 230 k iterations of 8 images, one per GPU: the multi-task configs of the original release
max_iters = 230000

train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=10000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

# Learning rate 0.002 belongs to 8 images per iteration.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.002, momentum=0.9, weight_decay=0.0001),
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
auto_scale_lr = dict(enable=False, base_batch_size=8)

param_scheduler = [
    # LinearLR reaches the full rate at its last iteration, end - 1: 3000, as in the official code.
    dict(type="LinearLR", start_factor=1e-7, by_epoch=False, begin=0, end=3001),
    dict(
        type="MultiStepLR",
        begin=0,
        end=max_iters,
        by_epoch=False,
        milestones=[150000, 200000],
        gamma=0.1,
    ),
]
