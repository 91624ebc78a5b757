# HRNet-W32, CrowdPose 384x288: the STIP row (paper: AP 74.7).
_base_ = [
    "../_base_/models/stip_hrnet-w32.py",
    "../_base_/datasets/crowdpose_384x288_stip.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime_crowdpose.py",
]

model = dict(head=dict(decoder=dict(input_size=(288, 384), heatmap_size=(144, 192), sigma=4)))
train_dataloader = dict(batch_size=64)
auto_scale_lr = dict(base_batch_size=256)
