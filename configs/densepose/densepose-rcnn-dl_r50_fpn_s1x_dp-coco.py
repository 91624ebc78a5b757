# Row "DensePose R-CNN DL, R50": the DeepLab trunk (ASPP, then eight normalised convolutions).
_base_ = [
    "../_base_/models/densepose-rcnn-dl_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]
