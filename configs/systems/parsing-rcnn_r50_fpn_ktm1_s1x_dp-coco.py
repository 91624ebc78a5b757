# Parsing R-CNN as its authors published it, with KTM: the surface classifier generated from the
# keypoint classifier. The row of the paper is parsing-rcnn-k1_r50_fpn-mid1_ktm1_260k_dp-coco.py.
_base_ = "parsing-rcnn_r50_fpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import ktm1

model = dict(roi_head=dict(densepose_head=ktm1()))
