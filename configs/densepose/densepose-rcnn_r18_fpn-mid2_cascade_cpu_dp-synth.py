# CPU-size twin of densepose-rcnn_r50_fpn-mid2_cascade_s1x_dp-coco.py.
_base_ = "densepose-rcnn_r18_fpn-mid2_cpu_dp-synth.py"

model = dict(roi_head=dict(densepose_neck=dict(topdown="cascade")))
