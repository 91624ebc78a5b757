# HRNet-W48, CrowdPose 384x288: the baseline row (paper: AP 73.9).
_base_ = [
    "../_base_/models/stip-baseline_hrnet-w48.py",
    "../_base_/datasets/crowdpose_384x288.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime_crowdpose.py",
]

model = dict(head=dict(decoder=dict(input_size=(288, 384), heatmap_size=(72, 96), sigma=3)))
train_dataloader = dict(batch_size=32)
auto_scale_lr = dict(base_batch_size=128)
