# HRNet-W48, COCO 384x288: the baseline row (paper: AP 76.3).
_base_ = [
    "../_base_/models/stip-baseline_hrnet-w48.py",
    "../_base_/datasets/coco_keypoints_384x288.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime.py",
]

pretrained = dict(
    type="Pretrained",
    checkpoint="https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth",
)
model = dict(
    backbone=dict(init_cfg=pretrained),
    head=dict(
        out_channels=17,
        decoder=dict(input_size=(288, 384), heatmap_size=(72, 96), sigma=3),
    ),
)
train_dataloader = dict(batch_size=32)
auto_scale_lr = dict(base_batch_size=128)
default_hooks = dict(checkpoint=dict(save_best="coco/oks/AP", rule="greater"))
