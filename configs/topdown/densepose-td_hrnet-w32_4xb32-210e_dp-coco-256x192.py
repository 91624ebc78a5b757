# HRNet-W32, fully convolutional, 256x192, without KTM (paper: GPS AP 65.1).
_base_ = [
    "../_base_/models/topdown-densepose_hrnet-w32.py",
    "../_base_/datasets/topdown_densepose_coco_256x192.py",
    "../_base_/schedules/topdown_210e.py",
]
