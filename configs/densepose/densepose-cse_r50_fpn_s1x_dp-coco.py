# Row "CSE, R50": hard loss.
_base_ = [
    "../_base_/models/densepose-cse_r50_fpn.py",
    "../_base_/datasets/densepose_coco_cse.py",
    "../_base_/schedules/s1x_cse.py",
    "../_base_/default_runtime.py",
]
