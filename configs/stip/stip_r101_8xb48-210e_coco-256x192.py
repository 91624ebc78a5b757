# SimpleBaseline-R101, COCO 256x192: the STIP row (paper: AP 72.1).
_base_ = [
    "../_base_/models/stip_r50.py",
    "../_base_/datasets/coco_keypoints_256x192_stip-low.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime_coco.py",
]

model = dict(
    backbone=dict(depth=101, init_cfg=dict(checkpoint="torchvision://resnet101")),
    head=dict(out_channels=17),
)
train_dataloader = dict(batch_size=48)
auto_scale_lr = dict(base_batch_size=384)
