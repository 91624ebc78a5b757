# Row "Single task, R101" of table 1.
_base_ = "densepose-rcnn-legacy_r50_fpn_230k_dp-coco.py"
from mmktn.utils.config_parts import resnet101

model = resnet101()
