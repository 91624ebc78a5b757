# Row "AMA-net + KTM, R50": its 3 x 3 surface classifier generated from the keypoint classifier.
_base_ = "ama-net_r50_fpn_260k_dp-coco.py"
from mmktn.utils.config_parts import ktm1

model = dict(roi_head=dict(densepose_head=ktm1(keypoint_upscale=None)))
