# KTN v2 with a covariance of U and V and confidences of the segmentations, CPU-size. In no paper.
_base_ = "ktn2_r18_fpn_cpu_dp-synth.py"
from mmktn.utils.config_parts import confidences

model = dict(roi_head=dict(densepose_head=dict(predictor=dict(extra_maps=confidences("wc2m")))))
