# CPU-size twin of densepose-td_r50_ktm2_4xb32-140e_dp-coco-256x192.py, crops 128x96.
_base_ = "densepose-td_r18_cpu_dp-synth.py"

model = dict(
    head=dict(
        densepose_head=dict(predictor=dict(type="mmktn.ConvKTMv2ChartPredictor", num_keypoints=17))
    )
)
