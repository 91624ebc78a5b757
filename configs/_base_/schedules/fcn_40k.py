# 40 k iterations of 16 images, polynomial decay, the new layers ten times as fast.
max_iters = 40000

train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

# Learning rate 0.007 belongs to 16 images per iteration.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.007, momentum=0.9, weight_decay=0.0005),
    paramwise_cfg=dict(custom_keys={"chart_head": dict(lr_mult=10.0)}),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)

param_scheduler = [
    dict(type="PolyLR", power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=max_iters),
]
