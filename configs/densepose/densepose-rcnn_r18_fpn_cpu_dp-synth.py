# CPU-size twin of densepose-rcnn_r50_fpn_s1x_dp-coco.py: narrow ResNet-18 from random weights,
# synthetic people.
_base_ = [
    "../_base_/models/densepose-rcnn_r18_fpn.py",
    "../_base_/datasets/densepose_synthetic.py",
    "../_base_/schedules/cpu.py",
]
