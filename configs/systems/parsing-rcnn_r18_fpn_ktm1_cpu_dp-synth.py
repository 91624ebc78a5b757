# CPU-size twin of parsing-rcnn_r50_fpn_ktm1_s1x_dp-coco.py.
_base_ = "parsing-rcnn_r18_fpn_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(type="mmktn.KTMv1ChartPredictor"),
            loss=dict(weights=dict(keypoint_heatmaps=0.5)),
        )
    )
)
