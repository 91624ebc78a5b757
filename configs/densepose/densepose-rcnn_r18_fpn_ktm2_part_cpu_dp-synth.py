# CPU-size twin of densepose-rcnn_r50_fpn_ktm2_part_s1x_dp-coco.py.
_base_ = "densepose-rcnn_r18_fpn_ktm2_cpu_dp-synth.py"

model = dict(roi_head=dict(densepose_head=dict(predictor=dict(sources=["part"]))))
