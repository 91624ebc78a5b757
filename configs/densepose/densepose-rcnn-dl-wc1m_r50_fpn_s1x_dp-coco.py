# Row "DensePose R-CNN DL WC1M, R50": WC1 with confidences of the segmentations.
_base_ = "densepose-rcnn-dl-wc1_r50_fpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import confidences

model = dict(roi_head=dict(densepose_head=dict(predictor=dict(extra_maps=confidences("wc1m")))))
