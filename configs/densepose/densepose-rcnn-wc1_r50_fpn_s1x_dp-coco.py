# Row "DensePose R-CNN WC1, R50": a variance of U and V.
_base_ = [
    "../_base_/models/densepose-rcnn_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/s1x_clip_warmup.py",
    "../_base_/default_runtime.py",
]

model = dict(roi_head=dict(densepose_head=dict(predictor=dict(extra_maps=["sigma_2"]))))
