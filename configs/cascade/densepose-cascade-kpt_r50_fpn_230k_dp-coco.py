# Row "Cascade: + keypoints, R50": the stages exchange charts and keypoints.
_base_ = "densepose-rcnn-kpt_r50_fpn_230k_dp-coco.py"
from mmktn.utils.config_parts import cascade

model = dict(roi_head=cascade(107))
