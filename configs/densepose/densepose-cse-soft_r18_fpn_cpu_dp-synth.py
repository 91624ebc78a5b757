# CPU-size twin of densepose-cse-soft_r50_fpn_s1x_dp-coco.py.
_base_ = "densepose-cse_r18_fpn_cpu_dp-synth.py"

model = dict(roi_head=dict(densepose_head=dict(embedding_loss=dict(soft=True))))
