# Minutes on two CPU cores: AdamW with a cosine, from random weights. Learning rate 2e-3 belongs
# to 8 images per iteration.
_base_ = "../default_runtime.py"

max_iters = 1400

train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=0.002, weight_decay=0.01),
    # A step of Adam moves every weight by the learning rate, whatever its layer's width; KTM's
    # perceptron is the widest by far.
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys={"machine.transformer": dict(lr_mult=0.05)},
    ),
    clip_grad=dict(max_norm=10.0),
)
auto_scale_lr = dict(enable=False, base_batch_size=8)

param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=50, end=max_iters, eta_min_ratio=0.02),
]

default_hooks = dict(checkpoint=dict(interval=max_iters), logger=dict(interval=20))
