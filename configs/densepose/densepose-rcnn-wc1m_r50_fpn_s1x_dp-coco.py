# Row "DensePose R-CNN WC1M, R50": WC1 with confidences of the segmentations.
_base_ = "densepose-rcnn-wc1_r50_fpn_s1x_dp-coco.py"
from mmktn.utils.config_parts import confidences

model = dict(roi_head=dict(densepose_head=dict(predictor=dict(extra_maps=confidences("wc1m")))))

# In this row alone the norm of each tensor is clipped, instead of its numbers.
optim_wrapper = dict(
    constructor="mmktn.TensorClipConstructor",
    clip_grad=dict(_delete_=True, max_norm=100.0, norm_type=2),
)
