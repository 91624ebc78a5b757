# CSE with KTN's multi-instance decoder v2 as neck. In no paper.
_base_ = "densepose-cse_r50_fpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import mid2

model = dict(roi_head=dict(densepose_neck=mid2()))
