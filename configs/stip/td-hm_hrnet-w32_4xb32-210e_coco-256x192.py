# HRNet-W32, COCO 256x192: the baseline row (paper: AP 74.4).
_base_ = [
    "../_base_/models/stip-baseline_hrnet-w32.py",
    "../_base_/datasets/coco_keypoints_256x192.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime.py",
]

pretrained = dict(
    type="Pretrained",
    checkpoint="https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w32-36af842e.pth",
)
model = dict(
    backbone=dict(init_cfg=pretrained),
    head=dict(
        out_channels=17,
    ),
)
train_dataloader = dict(batch_size=32)
auto_scale_lr = dict(base_batch_size=128)
default_hooks = dict(checkpoint=dict(save_best="coco/oks/AP", rule="greater"))
