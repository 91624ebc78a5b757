# Row "DensePose R-CNN, HRNet-W40 + HRFPN".
_base_ = "densepose-rcnn_hrnet-w32_hrfpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import hrnet_stages

model = dict(
    backbone=dict(
        extra=hrnet_stages(40),
        init_cfg=dict(checkpoint="open-mmlab://msra/hrnetv2_w40"),
    ),
    neck=dict(in_channels=[40, 80, 160, 320]),
)
