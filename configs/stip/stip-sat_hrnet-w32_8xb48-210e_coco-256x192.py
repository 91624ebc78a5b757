# HRNet-W32, COCO 256x192: the ablation row with semantic-aware transfer only (paper: AP 75.6).
_base_ = [
    "../_base_/models/stip_hrnet-w32.py",
    "../_base_/datasets/coco_keypoints_256x192_stip.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime_coco.py",
]

model = dict(
    head=dict(
        out_channels=17,
        instance_parsing=None,
    ),
)
train_dataloader = dict(batch_size=48)
auto_scale_lr = dict(base_batch_size=384)
