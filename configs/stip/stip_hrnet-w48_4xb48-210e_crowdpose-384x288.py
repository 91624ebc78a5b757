# HRNet-W48, CrowdPose 384x288: the STIP row (paper: AP 75.2).
_base_ = [
    "../_base_/models/stip_hrnet-w48.py",
    "../_base_/datasets/crowdpose_384x288_stip.py",
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
        decoder=dict(input_size=(288, 384), heatmap_size=(144, 192), sigma=4),
    ),
)
train_dataloader = dict(batch_size=48)
auto_scale_lr = dict(base_batch_size=192)
default_hooks = dict(checkpoint=dict(save_best="crowdpose/oks/AP", rule="greater"))
