# Narrow and shallow twin of densepose-rcnn_hrnet-w32_hrfpn.py for a CPU, from random weights. Its
# pyramid is the aligned one: of these small images the released geometry would lose a quarter. They
# need no level of stride 64.
_base_ = "densepose-rcnn_r18_fpn.py"

model = dict(
    backbone=dict(
        _delete_=True,
        type="mmdet.HRNet",
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=False,
        extra=dict(
            stage1=dict(
                num_modules=1,
                num_branches=1,
                block="BOTTLENECK",
                num_blocks=(1,),
                num_channels=(32,),
            ),
            stage2=dict(
                num_modules=1,
                num_branches=2,
                block="BASIC",
                num_blocks=(1, 1),
                num_channels=(16, 32),
            ),
            stage3=dict(
                num_modules=1,
                num_branches=3,
                block="BASIC",
                num_blocks=(1, 1, 1),
                num_channels=(16, 32, 64),
            ),
            stage4=dict(
                num_modules=1,
                num_branches=4,
                block="BASIC",
                num_blocks=(1, 1, 1, 1),
                num_channels=(16, 32, 64, 128),
            ),
        ),
    ),
    neck=dict(
        _delete_=True,
        type="mmktn.KTNHRFPN",
        in_channels=[16, 32, 64, 128],
        out_channels=64,
        num_outs=4,
        aligned=True,
    ),
    rpn_head=dict(anchor_generator=dict(strides=[4, 8, 16, 32])),
)
