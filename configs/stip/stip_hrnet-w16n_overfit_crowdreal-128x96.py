# STIP overfitted to the few real images: tries every link of the chain, no row of the paper.
_base_ = [
    "../_base_/models/stip_hrnet-w16n.py",
    "../_base_/datasets/crowdpose_real_128x96_stip.py",
    "../_base_/schedules/stip_overfit.py",
    "../_base_/schedules/stip_runtime.py",
]

model = dict(test_cfg=dict(flip_test=False))
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=300), logger=dict(interval=20))
log_processor = dict(by_epoch=False)
