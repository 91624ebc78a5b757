# CPU-size twin of densepose-rcnn-legacy_r50_fpn_s1x_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn-legacy_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]
