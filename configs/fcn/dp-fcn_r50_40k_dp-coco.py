# DP-FCN with ResNet-50.
_base_ = "dp-fcn_r101_40k_dp-coco.py"

model = dict(
    backbone=dict(depth=50, init_cfg=dict(checkpoint="open-mmlab://detectron2/resnet50_caffe"))
)
