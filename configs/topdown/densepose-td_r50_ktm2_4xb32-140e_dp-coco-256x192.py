# SimpleBaseline-R50, fully convolutional, 256x192, KTM v2 (paper: GPS AP 62.9).
_base_ = [
    "../_base_/models/topdown-densepose_r50_ktm2.py",
    "../_base_/datasets/topdown_densepose_coco_256x192.py",
    "../_base_/schedules/topdown_140e.py",
    "../_base_/topdown_runtime.py",
]

default_hooks = dict(checkpoint=dict(save_best="densepose/gps/AP", rule="greater"))
