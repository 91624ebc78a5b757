# CPU-size twin of ama-net_r50_fpn_ktm1_260k_dp-coco.py.
_base_ = "ama-net_r18_fpn_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(type="mmktn.ConvKTMv1ChartPredictor"),
            loss=dict(weights=dict(keypoint_heatmaps=0.5)),
        )
    )
)
