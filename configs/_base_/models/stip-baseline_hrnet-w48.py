# The same on HRNet-W48.
_base_ = ["stip-baseline_hrnet-w32.py"]
from mmktn.utils.config_parts import hrnet_stages

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint="https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth"
        ),
        extra=hrnet_stages(48),
    ),
    head=dict(in_channels=48),
)
