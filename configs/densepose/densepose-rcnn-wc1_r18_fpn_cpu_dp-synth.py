# CPU-size twin of densepose-rcnn-wc1_r50_fpn_s1x_dp-coco.py.
_base_ = "densepose-rcnn_r18_fpn_cpu_dp-synth.py"

model = dict(roi_head=dict(densepose_head=dict(predictor=dict(extra_maps=["sigma_2"]))))
