# 130 k iterations of 16 images, as every s1x config of detectron2 DensePose and KTN v2
max_iters = 130000

train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=10000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

# Learning rate 0.01 belongs to 16 images per iteration.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=0.0001),
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)

param_scheduler = [
    # LinearLR reaches the full rate at its last iteration, end - 1: 1000, as in the official code.
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=1001),
    dict(
        type="MultiStepLR",
        begin=0,
        end=max_iters,
        by_epoch=False,
        milestones=[100000, 120000],
        gamma=0.1,
    ),
]
