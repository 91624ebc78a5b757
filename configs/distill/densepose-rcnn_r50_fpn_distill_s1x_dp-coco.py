# Today's DensePose R-CNN, trained also with the dense labels of a teacher; no row of a paper.
_base_ = [
    "../_base_/models/densepose-rcnn_r50_fpn.py",
    "../_base_/datasets/densepose_coco_distill.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]
