# HRNet-W32, CrowdPose 256x192: the ablation row with semantic-aware transfer only (paper: AP 73.5).
_base_ = [
    "../_base_/models/stip_hrnet-w32.py",
    "../_base_/datasets/crowdpose_256x192_stip.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime_crowdpose.py",
]

model = dict(
    head=dict(
        instance_parsing=None,
    ),
)
train_dataloader = dict(batch_size=64)
auto_scale_lr = dict(base_batch_size=256)
