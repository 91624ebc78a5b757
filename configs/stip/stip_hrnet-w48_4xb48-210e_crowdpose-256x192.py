# HRNet-W48, CrowdPose 256x192: the STIP row (paper: AP 74.8).
_base_ = [
    "../_base_/models/stip_hrnet-w48.py",
    "../_base_/datasets/crowdpose_256x192_stip.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime_crowdpose.py",
]

train_dataloader = dict(batch_size=48)
auto_scale_lr = dict(base_batch_size=192)
