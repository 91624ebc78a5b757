# CPU-size twin of densepose-td_hrnet-w32_ktm1_4xb32-210e_dp-coco-256x192.py, crops 128x96.
_base_ = "densepose-td_hrnet-w16n_cpu_dp-synth.py"

model = dict(
    head=dict(
        densepose_head=dict(
            predictor=dict(type="mmktn.ConvKTMv1ChartPredictor", num_keypoints=17),
            loss=dict(weights=dict(keypoint_heatmaps=0.5)),
        )
    )
)
