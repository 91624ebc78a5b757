# SimpleBaseline-R50, CrowdPose 256x192: the STIP row (paper: AP 68.9).
_base_ = [
    "../_base_/models/stip_r50.py",
    "../_base_/datasets/crowdpose_256x192_stip-low.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime_crowdpose.py",
]

train_dataloader = dict(batch_size=64)
auto_scale_lr = dict(base_batch_size=256)
