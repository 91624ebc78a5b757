# Row "Parsing R-CNN + KTM, R50", in the form of KTN's authors.
_base_ = "parsing-rcnn-k1_r50_fpn-mid1_260k_dp-coco.py"
from mmktn.utils.config_parts import ktm1

model = dict(roi_head=dict(densepose_head=ktm1()))
