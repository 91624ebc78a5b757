# Row "DensePose R-CNN WC1M, R101".
_base_ = "densepose-rcnn-wc1_r101_fpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import confidences

model = dict(roi_head=dict(densepose_head=dict(predictor=dict(extra_maps=confidences("wc1m")))))
