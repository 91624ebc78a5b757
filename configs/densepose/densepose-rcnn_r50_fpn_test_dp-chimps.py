# DensePose R-CNN trained on people, tested on chimpanzees: tools/test.py with a checkpoint of
# densepose-rcnn_r50_fpn_s1x_dp-coco.py. No row of docs/results.md.
_base_ = [
    "../_base_/models/densepose-rcnn_r50_fpn.py",
    "../_base_/datasets/densepose_chimps.py",
    "../_base_/schedules/s1x.py",
    "../_base_/default_runtime.py",
]
