# CPU-size twin of parsing-rcnn-k1_r50_fpn-mid1_ktm1_260k_dp-coco.py.
_base_ = "parsing-rcnn-k1_r18_fpn-mid1_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(type="mmktn.KTMv1ChartPredictor"),
            loss=dict(weights=dict(keypoint_heatmaps=0.5)),
        )
    )
)
