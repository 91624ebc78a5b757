# HRNet-W32, fully convolutional, 256x192, KTM v1.
_base_ = "densepose-td_hrnet-w32_4xb32-210e_dp-coco-256x192.py"
from mmktn.utils.config_parts import ktm1

model = dict(head=dict(densepose_head=ktm1(keypoint_upscale=None, num_keypoints=17)))
