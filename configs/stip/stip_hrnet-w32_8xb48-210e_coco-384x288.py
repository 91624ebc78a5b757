# HRNet-W32, COCO 384x288: the STIP row (paper: AP 76.5).
_base_ = [
    "../_base_/models/stip_hrnet-w32.py",
    "../_base_/datasets/coco_keypoints_384x288_stip.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime_coco.py",
]

model = dict(
    head=dict(
        out_channels=17,
        decoder=dict(input_size=(288, 384), heatmap_size=(144, 192), sigma=4),
    ),
)
train_dataloader = dict(batch_size=48)
auto_scale_lr = dict(base_batch_size=384)
