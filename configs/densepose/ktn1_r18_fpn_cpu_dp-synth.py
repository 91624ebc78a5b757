# CPU-size twin of ktn1_r50_fpn_260k_dp-coco.py.
_base_ = "densepose-rcnn-star_r18_fpn-mid1_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(type="mmktn.KTMv1ChartPredictor", graph=dict(trainable=True), mlp=True),
            loss=dict(weights=dict(keypoint_heatmaps=0.5)),
        )
    )
)
