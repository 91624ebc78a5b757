# Row "DensePose R-CNN WC2, R50": a covariance of U and V.
_base_ = "densepose-rcnn-wc1_r50_fpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import confidences

model = dict(roi_head=dict(densepose_head=dict(predictor=dict(extra_maps=confidences("wc2")))))
