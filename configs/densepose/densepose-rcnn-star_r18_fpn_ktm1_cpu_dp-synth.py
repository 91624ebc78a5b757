# CPU-size twin of densepose-rcnn-star_r50_fpn_ktm1_260k_dp-coco.py.
_base_ = "densepose-rcnn-star_r18_fpn_cpu_dp-synth.py"

model = dict(
    roi_head=dict(
        densepose_head=dict(
            predictor=dict(type="mmktn.KTMv1ChartPredictor", graph=dict(trainable=False), mlp=True),
            loss=dict(weights=dict(keypoint_heatmaps=0.5)),
        )
    )
)
