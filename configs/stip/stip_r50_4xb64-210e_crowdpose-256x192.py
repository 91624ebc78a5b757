# SimpleBaseline-R50, CrowdPose 256x192: the STIP row (paper: AP 68.9).
_base_ = [
    "../_base_/models/stip_r50.py",
    "../_base_/datasets/crowdpose_256x192_stip-low.py",
    "../_base_/schedules/stip_210e.py",
    "../_base_/schedules/stip_runtime.py",
]

pretrained = dict(
    type="Pretrained",
    checkpoint="torchvision://resnet50",
)
model = dict(
    backbone=dict(init_cfg=pretrained),
)
train_dataloader = dict(batch_size=64)
auto_scale_lr = dict(base_batch_size=256)
default_hooks = dict(checkpoint=dict(save_best="crowdpose/oks/AP", rule="greater"))
