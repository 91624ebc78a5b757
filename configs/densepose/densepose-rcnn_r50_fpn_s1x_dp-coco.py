# Row "DensePose R-CNN (D2 default), R50" of docs/results.md.
_base_ = [
    "../_base_/models/densepose-rcnn_r50_fpn.py",
    "../_base_/datasets/densepose_coco.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]
