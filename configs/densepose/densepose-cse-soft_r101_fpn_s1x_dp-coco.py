# Row "CSE soft, R101".
_base_ = "densepose-cse-soft_r50_fpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import resnet101

model = resnet101()
