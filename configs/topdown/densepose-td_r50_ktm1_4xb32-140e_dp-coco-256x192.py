# SimpleBaseline-R50, fully convolutional, 256x192, KTM v1.
_base_ = "densepose-td_r50_4xb32-140e_dp-coco-256x192.py"
from mmktn.utils.config_parts import ktm1

model = dict(head=dict(densepose_head=ktm1(keypoint_upscale=None, num_keypoints=17)))
