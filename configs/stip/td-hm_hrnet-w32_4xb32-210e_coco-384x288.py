# HRNet-W32, COCO 384x288: the baseline row (paper: AP 75.8).
_base_ = [
    "../_base_/models/stip-baseline_hrnet-w32.py",
    "../_base_/datasets/coco_keypoints_384x288.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime_coco.py",
]

model = dict(
    head=dict(
        out_channels=17,
        decoder=dict(input_size=(288, 384), heatmap_size=(72, 96), sigma=3),
    ),
)
train_dataloader = dict(batch_size=32)
auto_scale_lr = dict(base_batch_size=128)
