# CPU-size twin of densepose-rcnn-star_r50_fpn-mid1_260k_dp-coco.py.
_base_ = [
    "../_base_/models/densepose-rcnn-star_r18_fpn-mid1.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]
