# The model that ships as it ships: KTM folded into the kernel that it made. Training starts from
# its weights; `make quickstart` shows it.
_base_ = "ktn2_efficientnet-lite0_fpn_cpu_dp-synth.py"

model = dict(
    backbone=dict(init_cfg=None),
    roi_head=dict(densepose_head=dict(predictor=dict(folded=True))),
)
load_from = "mmktn://ktn_efficientnet-lite0"
max_iters = 300

train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=0.0003))
param_scheduler = [dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=10)]
