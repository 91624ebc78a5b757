# SimpleBaseline-R50, fully convolutional, 256x192, without KTM (paper: GPS AP 60.1).
_base_ = [
    "../_base_/models/topdown-densepose_r50.py",
    "../_base_/datasets/topdown_densepose_coco_256x192.py",
    "../_base_/schedules/topdown_140e.py",
]
