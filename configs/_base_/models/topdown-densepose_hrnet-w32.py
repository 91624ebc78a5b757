# HRNet-W32 for dense pose: 1x1 classifiers on the map of the highest resolution.
_base_ = "topdown-densepose_r50.py"
from mmktn.utils.config_parts import hrnet_stages

model = dict(
    backbone=dict(
        _delete_=True,
        type="mmpose.HRNet",
        in_channels=3,
        extra=hrnet_stages(32),
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w32-36af842e.pth",
        ),
    ),
    head=dict(
        densepose_head=dict(trunk=dict(in_channels=32, channels=()), predictor=dict(in_channels=32))
    ),
)
