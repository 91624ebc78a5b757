# keypoints_r50_fpn_s1x_dp-coco.py on the single map of the multi-instance decoder v1 (form of the
# released code).
_base_ = "keypoints_r50_fpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import mid1, on_one_map

model = dict(roi_head=on_one_map(mid1()))
optim_wrapper = dict(optimizer=dict(lr=0.01))
