# Row "DensePose R-CNN, HRNet-W48 + HRFPN".
_base_ = "densepose-rcnn_hrnet-w32_hrfpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import hrnet_stages

model = dict(
    backbone=dict(
        extra=hrnet_stages(48),
        init_cfg=dict(checkpoint="open-mmlab://msra/hrnetv2_w48"),
    ),
    neck=dict(in_channels=[48, 96, 192, 384]),
)
