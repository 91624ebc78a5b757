# The same on HRNet-W48.
_base_ = ["stip-baseline_hrnet-w32.py"]

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint="https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth"
        ),
        extra=dict(
            stage2=dict(num_channels=(48, 96)),
            stage3=dict(num_channels=(48, 96, 192)),
            stage4=dict(num_channels=(48, 96, 192, 384)),
        ),
    ),
    head=dict(in_channels=48),
)
