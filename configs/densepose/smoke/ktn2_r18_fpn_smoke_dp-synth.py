# A few iterations of the small KTN v2 on small images: shows in seconds that training, testing
# and resuming run.
_base_ = "../ktn2_r18_fpn_cpu_dp-synth.py"

model = dict(
    backbone=dict(base_channels=8, stem_channels=8),
    neck=dict(in_channels=[8, 16, 32, 64]),
)

train_cfg = dict(max_iters=20, val_interval=20)
param_scheduler = [dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=20)]
train_dataloader = dict(batch_size=2)
default_hooks = dict(checkpoint=dict(interval=10), logger=dict(interval=1))
