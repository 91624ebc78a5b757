# CPU-size twin of ktn2_r50_fpn_lowrank_s1x_dp-coco.py.
_base_ = "ktn2_r18_fpn_cpu_dp-synth.py"

model = dict(
    roi_head=dict(densepose_head=dict(predictor=dict(transformer=dict(kind="low_rank", rank=64))))
)
