# Row "DensePose R-CNN, HRNet-W48 + HRFPN".
_base_ = "densepose-rcnn_hrnet-w32_hrfpn_s1x_dp-coco.py"

model = dict(
    backbone=dict(
        extra=dict(
            stage2=dict(num_channels=(48, 96)),
            stage3=dict(num_channels=(48, 96, 192)),
            stage4=dict(num_channels=(48, 96, 192, 384)),
        ),
        init_cfg=dict(checkpoint="open-mmlab://msra/hrnetv2_w48"),
    ),
    neck=dict(in_channels=[48, 96, 192, 384]),
)
