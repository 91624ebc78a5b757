# Row "DensePose R-CNN WC2M, R50": WC2 with confidences of the segmentations.
_base_ = "densepose-rcnn-wc1_r50_fpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import confidences

model = dict(roi_head=dict(densepose_head=dict(predictor=dict(extra_maps=confidences("wc2m")))))
