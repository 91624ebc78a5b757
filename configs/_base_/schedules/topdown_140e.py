# SimpleBaseline: 140 epochs of Adam, lr x0.1 after 0.81 and 0.95 of them.
_base_ = "../topdown_runtime.py"

train_cfg = dict(by_epoch=True, max_epochs=140, val_interval=10)
val_cfg = dict()
test_cfg = dict()

# 1e-3 belongs to 4 GPUs x 32 crops.
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3))
auto_scale_lr = dict(enable=False, base_batch_size=128)
param_scheduler = [
    dict(type="MultiStepLR", begin=0, end=140, milestones=[113, 133], gamma=0.1, by_epoch=True)
]
default_hooks = dict(checkpoint=dict(save_best="densepose/gps/AP", rule="greater"))
