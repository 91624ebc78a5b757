# HRNet-W32, fully convolutional, 384x288, KTM v1.
_base_ = [
    "../_base_/models/topdown-densepose_hrnet-w32_ktm1.py",
    "../_base_/datasets/topdown_densepose_coco_384x288.py",
    "../_base_/schedules/topdown_210e.py",
    "../_base_/topdown_runtime.py",
]

default_hooks = dict(checkpoint=dict(save_best="densepose/gps/AP", rule="greater"))
