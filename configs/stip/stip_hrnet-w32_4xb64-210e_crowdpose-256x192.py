# HRNet-W32, CrowdPose 256x192: the STIP row (paper: AP 74.1).
_base_ = [
    "../_base_/models/stip_hrnet-w32.py",
    "../_base_/datasets/crowdpose_256x192_stip.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime.py",
]

pretrained = dict(
    type="Pretrained",
    checkpoint="https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w32-36af842e.pth",
)
model = dict(
    backbone=dict(init_cfg=pretrained),
)
train_dataloader = dict(batch_size=64)
auto_scale_lr = dict(base_batch_size=256)
default_hooks = dict(checkpoint=dict(save_best="crowdpose/oks/AP", rule="greater"))
