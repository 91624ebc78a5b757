# CPU-size twin of densepose-cse_r50_fpn_s1x_dp-coco.py: a vector a pixel, synthetic people.
_base_ = [
    "../_base_/models/densepose-cse_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic_cse.py",
    "../_base_/schedules/cpu.py",
]
